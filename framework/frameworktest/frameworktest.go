// Package frameworktest runs handlers in tests: [Run] with input and output in memory, and
// [Serve] as a real server on a free address, on any transport and under any strategy.
//
// Every function fails the test if it cannot do what it says. What it starts ends with the test.
package frameworktest

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// Patience is how long a test waits for an event before it fails: it ends a test that hangs, and no other
// on a loaded machine, where a program takes a minute to build.
const Patience = 3 * time.Minute

// Networks are the transports that [NewServer] knows.
var Networks = []string{"tcp", "udp", "unix", "unixgram"}

// Class makes a class. options is a JSON object; empty means the defaults.
func Class(t testing.TB, c framework.Constructor, options string) *framework.HandlerClass {
	t.Helper()
	class, err := c.Class([]byte(options))
	require.NoError(t, err)
	return class
}

// NewServer makes a server of class on a free address, under [framework.Threading] and without
// a log. Its fields may be changed until it listens.
func NewServer(t testing.TB, network string, class *framework.HandlerClass) *framework.BaseServer {
	t.Helper()
	var s *framework.BaseServer
	switch path := filepath.Join(t.TempDir(), "s"); network {
	case "tcp":
		s = &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	case "udp":
		s = &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	case "unix":
		s = &framework.NewUnixStreamServer(path, class).BaseServer
	case "unixgram":
		s = &framework.NewUnixDatagramServer(path, class).BaseServer
	}
	s.Strategy, s.Log = &framework.Threading{}, hclog.NewNullLogger()
	return s
}

// Serve starts s. At the end of the test it stops s and waits for its requests.
func Serve(t testing.TB, s *framework.BaseServer) *framework.BaseServer {
	t.Helper()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	t.Cleanup(func() {
		Shutdown(t, s)
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
	return s
}

// Shutdown stops s and waits for its requests.
func Shutdown(t testing.TB, s *framework.BaseServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
}

// Dial connects to s.
func Dial(t testing.TB, s *framework.BaseServer) net.Conn {
	return DialAddress(t, s.Addr().Network(), s.Addr().String())
}

// DialAddress connects to a server in another process.
func DialAddress(t testing.TB, network, address string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	if network == "unixgram" { // the server answers to the client's own path
		dialer.LocalAddr = &net.UnixAddr{Net: network, Name: filepath.Join(t.TempDir(), "c")}
	}
	conn, err := dialer.Dial(network, address)
	require.NoError(t, err)
	return Adopt(t, conn)
}

// Adopt sets a deadline of [Patience] on conn and closes it at the end of the test.
func Adopt(t testing.TB, conn net.Conn) net.Conn {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(Patience)))
	return conn
}

// Send sends text in one write.
func Send(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

// Expect reads exactly the bytes of text.
func Expect(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(conn, got)
	require.NoError(t, err, "after %q, waiting for %q", got[:n], text)
	require.Equal(t, text, string(got))
}

// ExpectEnd waits for the end of the connection, a FIN or a reset, before which nothing may come.
func ExpectEnd(t testing.TB, conn net.Conn) {
	t.Helper()
	_, err := conn.Read(make([]byte, 1))
	require.Error(t, err, "a byte came")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection was not ended")
}

// Ask sends text in one write and returns the result of one read, as many clients do.
func Ask(t testing.TB, conn net.Conn, text string) string {
	t.Helper()
	Send(t, conn, text)
	answer := make([]byte, 64<<10)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	return string(answer[:n])
}

// End closes the sending half of conn and returns all that comes back after that.
func End(t testing.TB, conn net.Conn) string {
	t.Helper()
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(rest)
}

// Reset ends a connection of TCP at once, as a client does that leaves with unread bytes.
func Reset(t testing.TB, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
	require.NoError(t, conn.Close())
}

// Await receives from a channel. The message is shown if nothing comes.
func Await[T any](t testing.TB, event <-chan T, message ...any) T {
	t.Helper()
	var v T
	select {
	case v = <-event:
	case <-time.After(Patience):
		require.FailNow(t, "waited in vain", message...)
	}
	return v
}
