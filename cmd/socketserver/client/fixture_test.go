package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary holds a conversation that panics, where it is asked to.
func TestMain(m *testing.M) {
	if address := os.Getenv("CLIENT_TEST_PANIC"); address != "" {
		panicWith(address)
	}
	goleak.VerifyTestMain(m)
}

// serve is a server on a free port that has one function for every connection, and is
// gone with the test.
func serve(t *testing.T, handle func(conn net.Conn)) Address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveOn(t, l, handle)
	return Address{"tcp", l.Addr().String()}
}

func serveOn(t *testing.T, l net.Listener, handle func(conn net.Conn)) {
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
}

// servePackets is a server of datagrams that answers with what answer returns, if anything.
func servePackets(t *testing.T, network, address string, answer func(text string) []string) Address {
	t.Helper()
	conn, err := net.ListenPacket(network, address)
	require.NoError(t, err)
	var done sync.WaitGroup
	done.Go(func() {
		for buf := make([]byte, maxMessage); ; {
			n, peer, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, text := range answer(string(buf[:n])) {
				_, _ = conn.WriteTo([]byte(text), peer)
			}
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		done.Wait()
	})
	return Address{network, conn.LocalAddr().String()}
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// chunks answers what one read brings, in brackets, and ends with the client.
func chunks(conn net.Conn) {
	for buf := make([]byte, 1024); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("[" + string(buf[:n]) + "]"))
	}
}

// until reads up to and with text.
func until(conn net.Conn, text string) error {
	for got, b := "", make([]byte, 1); !strings.HasSuffix(got, text); got += string(b) {
		if _, err := io.ReadFull(conn, b); err != nil {
			return err
		}
	}
	return nil
}

// output is what has come back, with a bar where a line was begun.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // has an element when something was written since
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) BeginLine() error {
	_, err := o.Write([]byte("|"))
	return err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until text has come.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(time.Minute)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.more:
		case <-late:
			t.Errorf("%q did not come, but %q", text, o)
			return
		}
	}
}

// hold holds a conversation in which input is sent, and returns what came back.
func hold(t *testing.T, s Settings, input string) (string, error) {
	t.Helper()
	return holdWith(t, s, strings.NewReader(input))
}

func holdWith(t *testing.T, s Settings, input io.Reader) (string, error) {
	t.Helper()
	out := newOutput()
	s.Input, s.Output = input, out
	if s.Mode == "" {
		s.Mode = Duplex
	}
	if s.Framing == "" {
		s.Framing = Line
	}
	err := Run(context.Background(), s) // leaves nothing behind, which TestMain checks
	return out.String(), err
}

// endless is an input that nobody writes to, and that ends with the test.
func endless(t *testing.T) io.Reader {
	read, write := io.Pipe()
	t.Cleanup(func() { _ = write.CloseWithError(errors.New("the test has ended")) })
	return read
}
