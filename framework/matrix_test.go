package framework_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// newServer makes a server of each transport on a free address.
var newServer = map[string]func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer{
	"tcp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	},
	"udp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	},
	"unix": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixStreamServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
	"unixgram": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixDatagramServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
}

var newStrategy = map[string]func() framework.Strategy{
	"synchronous": func() framework.Strategy { return &framework.Synchronous{} },
	"threading":   func() framework.Strategy { return &framework.Threading{} },
	"forking":     func() framework.Strategy { return &framework.Forking{} },
	"forking with spares": func() framework.Strategy {
		return &framework.Forking{Spares: 2, MaxRequests: 3}
	},
}

// serve starts s and stops it at the end of the test.
func serve(t *testing.T, s *framework.BaseServer) {
	t.Helper()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
}

// dial connects to s.
func dial(t *testing.T, s *framework.BaseServer) net.Conn {
	t.Helper()
	var conn net.Conn
	var err error
	if s.Transport.Network() == "unixgram" { // the server answers to the client's own path
		conn, err = net.DialUnix("unixgram",
			&net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "c")}, s.Addr().(*net.UnixAddr))
	} else {
		conn, err = net.Dial(s.Transport.Network(), s.Addr().String())
	}
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// ask sends text and returns what comes back.
func ask(t *testing.T, s *framework.BaseServer, text string) string {
	t.Helper()
	conn := dial(t, s)
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	answer := make([]byte, 64<<10)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	return string(answer[:n])
}

func TestMatrix(t *testing.T) {
	for network, server := range newServer {
		for name, strategy := range newStrategy {
			t.Run(network+"/"+name, func(t *testing.T) {
				t.Parallel()
				class, err := echo.Class(nil)
				require.NoError(t, err)
				s := server(t, class)
				s.Strategy = strategy()
				serve(t, s)
				for range 10 {
					require.Equal(t, "hello\n", ask(t, s, "hello\n"))
				}
			})
		}
	}
}
