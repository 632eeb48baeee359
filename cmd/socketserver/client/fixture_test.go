package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
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
	return Address{Network: "tcp", Host: l.Addr().String()}
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
	return Address{Network: network, Host: conn.LocalAddr().String()}
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
type output struct{ *frameworktest.Log }

func newOutput() *output { return &output{frameworktest.NewLog()} }

func (o *output) BeginLine() error {
	_, err := o.Write([]byte("|"))
	return err
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
