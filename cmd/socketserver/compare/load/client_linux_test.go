package load

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// What ends in the warm-up is not counted, be it an answer or an error.
func TestNotCounted(t *testing.T) {
	c := newTestClient(t, conversations("127.0.0.1:1"))
	c.now = c.begin.Add(-1)
	c.count(nil)
	c.count(errWrongAnswer)
	require.Zero(t, c.answered)
	require.Empty(t, c.errors)
	c.now = c.begin
	c.count(nil)
	c.count(errWrongAnswer)
	require.Equal(t, int64(1), c.answered)
	require.Equal(t, map[string]int64{WrongAnswer: 1}, c.errors)
}

// A wait that the end of the round cut short counts if it was longer than usual.
func TestUsual(t *testing.T) {
	c := newTestClient(t, conversations("127.0.0.1:1"))
	for range 100 {
		c.shard.record(10 * time.Millisecond)
	}
	c.waiting, c.since = true, c.end.Add(-5*time.Millisecond)
	require.Equal(t, int64(100), c.sum([]*client{c}).Latencies.TotalCount())
	c.since = c.end.Add(-20 * time.Millisecond)
	sum := c.sum([]*client{c})
	require.Equal(t, int64(101), sum.Latencies.TotalCount())
	require.Equal(t, 1, sum.Unserved)
}

// A connection that is closed while ports are short leaves none waiting: it is reset.
func TestPortsShort(t *testing.T) {
	for _, short := range []bool{false, true} {
		ends := make(chan error, 1)
		address := accept(t, func(conn net.Conn) {
			readLine(conn)
			_, _ = io.WriteString(conn, "what the clients say\n")
			_, err := conn.Read([]byte{0})
			ends <- err
		})
		c := newTestClient(t, connections(address))
		if short {
			c.ports.burst, c.ports.again = 0, 0
		}
		require.NoError(t, c.request())
		c.close()
		if short {
			require.Equal(t, Reset, kind(<-ends))
		} else {
			require.Equal(t, io.EOF, <-ends)
		}
	}
}

// Ports are used no faster than the system reuses them.
func TestPorts(t *testing.T) {
	start := time.Now()
	p := ports{burst: 2, again: 2, start: start}
	require.True(t, p.spare(start))
	require.True(t, p.spare(start))
	require.False(t, p.spare(start))
	require.True(t, p.spare(start.Add(time.Second)))
	require.False(t, p.spare(start.Add(time.Second)))
	p = ports{burst: -1, start: start}
	require.True(t, p.spare(start))
}

// newTestClient is a client of p that is not run.
func newTestClient(t *testing.T, p Plan) *client {
	t.Helper()
	now := time.Now()
	p.Duration = frameworktest.Patience
	r := &round{Plan: p, ctx: t.Context(), begin: now, end: now.Add(p.Duration), shards: newShards(1)}
	r.ports.init(now)
	return newClient(r, 0, now)
}

// A request in a conversation costs no memory.
func TestNoAllocations(t *testing.T) {
	c := newTestClient(t, conversations(accept(t, func(conn net.Conn) {
		buffer := make([]byte, 100)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			_, _ = conn.Write(buffer[:n])
		}
	})))
	defer c.close()
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if !c.next(c.ctx) {
			panic("the round is over")
		}
		err := c.request()
		c.now = time.Now()
		c.count(err)
		c.settled(err)
	}))
	require.Equal(t, int64(1001), c.answered)
}
