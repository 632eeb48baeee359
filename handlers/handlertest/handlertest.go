// Package handlertest runs handlers in tests: real servers on free addresses, and clients
// of them.
package handlertest

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// patience bounds what a test waits for, so that one that fails ends.
const patience = 20 * time.Second

// Networks are the transports.
var Networks = []string{"tcp", "udp", "unix", "unixgram"}

// Class makes a class; options is JSON, and empty means the defaults.
func Class(t testing.TB, c framework.Constructor, options string) *framework.HandlerClass {
	t.Helper()
	if options == "" {
		options = "{}"
	}
	class, err := c.Class([]byte(options))
	require.NoError(t, err)
	return class
}

// NewServer makes a server of class under threading that does not serve yet.
func NewServer(t testing.TB, network string, class *framework.HandlerClass) *framework.BaseServer {
	t.Helper()
	var s *framework.BaseServer
	path := filepath.Join(t.TempDir(), "s")
	switch network {
	case "tcp":
		s = &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	case "udp":
		s = &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	case "unix":
		s = &framework.NewUnixStreamServer(path, class).BaseServer
	case "unixgram":
		s = &framework.NewUnixDatagramServer(path, class).BaseServer
	}
	s.Strategy = &framework.Threading{}
	s.Log = hclog.NewNullLogger()
	return s
}

// Serve starts s, and stops it at the end of the test, waiting for its requests.
func Serve(t testing.TB, s *framework.BaseServer) *framework.BaseServer {
	t.Helper()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
	return s
}

// Dial connects to s.
func Dial(t testing.TB, s *framework.BaseServer) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	if to, ok := s.Addr().(*net.UnixAddr); ok && to.Net == "unixgram" {
		conn, err = net.DialUnix("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "c")}, to)
	} else {
		conn, err = net.Dial(s.Addr().Network(), s.Addr().String())
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

// Ask sends text in one write and returns what one read of 1024 bytes brings, which is all
// that many clients do.
func Ask(t testing.TB, conn net.Conn, text string) string {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	return string(answer[:n])
}

// End says that the client has no more to send, and returns what still comes back.
func End(t testing.TB, conn net.Conn) string {
	t.Helper()
	require.NoError(t, conn.(interface{ CloseWrite() error }).CloseWrite())
	rest, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(rest)
}
