package conn_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// slow is a connection whose reads take a while to notice their deadline.
type slow struct {
	net.Conn
	reads    atomic.Int64 // under way
	deadline error        // that it returns for one
}

func (c *slow) Read(p []byte) (int, error) {
	c.reads.Add(1)
	defer c.reads.Add(-1)
	n, err := c.Conn.Read(p)
	time.Sleep(50 * time.Millisecond)
	return n, err
}

func (c *slow) SetReadDeadline(t time.Time) error {
	if c.deadline != nil {
		return c.deadline
	}
	return c.Conn.SetReadDeadline(t)
}

// Nothing reads the connection once its relay has ended: what follows does, and two readers of a layer
// would take each other's bytes.
func TestRelayReadsNoMoreAtItsEnd(t *testing.T) {
	for name, refused := range map[string]error{"with deadlines": nil, "without deadlines": errors.ErrUnsupported} {
		t.Run(name, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			defer server.Close()
			c := &slow{Conn: server, deadline: refused}
			relay, theirs, err := conn.NewRelay(c, 0)
			require.NoError(t, err)
			relay.Start()
			_, err = client.Write([]byte("x")) // the relay reads
			require.NoError(t, err)
			require.NoError(t, theirs.Close())
			require.NoError(t, relay.Finish())
			require.Zero(t, c.reads.Load())
		})
	}
}

// telling is a connection that can tell the client that its request has failed.
type telling struct {
	net.Conn
	failed bool
}

func (c *telling) Fail() error {
	c.failed = true
	return nil
}

// ending is a connection that reports the end of its output.
type ending struct {
	telling
	told chan struct{}
}

func (c *ending) CloseWrite() error {
	close(c.told)
	return nil
}

// A client is told of the end of the output by the relay where the process stays, and by who knows how the request has ended
// where it leaves; also where the client has ended first.
func TestEndOfOutput(t *testing.T) {
	relayed := func(t *testing.T, clientEnds bool) (c *ending, relay *conn.Relay, process net.Conn) {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		c = &ending{telling{Conn: server}, make(chan struct{})}
		relay, theirs, err := conn.NewRelay(c, 0)
		require.NoError(t, err)
		relay.Start()
		process, err = theirs.Conn()
		require.NoError(t, err)
		if clientEnds {
			require.NoError(t, client.Close())
			_, err = io.ReadAll(process)
			require.NoError(t, err)
		}
		return c, relay, process
	}
	for _, clientEnds := range []bool{false, true} {
		t.Run(fmt.Sprintf("client ends %t", clientEnds), func(t *testing.T) {
			c, relay, process := relayed(t, clientEnds)
			require.NoError(t, process.(interface{ CloseWrite() error }).CloseWrite())
			<-c.told
			require.NoError(t, process.Close())
			require.NoError(t, relay.Finish())

			told := true
			for attempt := 0; told && attempt < 10; attempt++ { // on a loaded machine a moment may pass between the two
				c, relay, process = relayed(t, clientEnds)
				require.NoError(t, process.Close())
				require.NoError(t, relay.Finish())
				told = life.Closed(c.told)
			}
			require.False(t, told)
		})
	}
}

// A client that was waited for is told as any other.
func TestFailOfOneThatWasWaitedFor(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	go func() { _, _ = client.Write([]byte("x")) }()
	c := &telling{Conn: server}
	begun, release, err := conn.AwaitBytes(t.Context(), c, 0, full(t), 1)
	require.NoError(t, err)
	release()
	conn.Fail(begun)
	require.True(t, c.failed)
}

// full is a semaphore of one that is taken.
func full(t *testing.T) *slots.Semaphore {
	t.Helper()
	var s slots.Semaphore
	require.True(t, s.Try(1))
	return &s
}
