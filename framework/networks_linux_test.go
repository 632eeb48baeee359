package framework_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// onSocket makes the server of a socket of any network.
func onSocket(t *testing.T, network, address string, class *framework.HandlerClass) *framework.BaseServer {
	t.Helper()
	socket, err := framework.OpenSocket(network, address, framework.SocketOptions{})
	require.NoError(t, err)
	s := &framework.BaseServer{Class: class, Transport: socket.Transport()}
	t.Cleanup(func() { _ = socket.Close() })
	return s
}

// dialVsock connects to s from this machine.
func dialVsock(t testing.TB, s *framework.BaseServer) net.Conn {
	t.Helper()
	conn, err := vsock.Dial(t.Context(), s.Addr().(*vsock.Addr))
	require.NoError(t, err)
	return frameworktest.Adopt(t, conn)
}

// The networks that have no row in the contract of every run: a transport is a row of a table.
func TestContractOfUnixpacketAndVsock(t *testing.T) {
	if os.Getenv("SOCKETSERVER_LONG_TESTS") == "" {
		t.Skip("takes long; set SOCKETSERVER_LONG_TESTS=1")
	}
	testContract(t, "unixpacket", transport{func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return onSocket(t, "unixpacket", filepath.Join(t.TempDir(), "s"), class)
	}, frameworktest.Dial}, newStrategy)
	if noVsock() == nil {
		testContract(t, "vsock", transport{func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
			return onSocket(t, "vsock", "local:0", class)
		}, dialVsock}, newStrategy)
	}
}

// noVsock returns why this machine has no VSOCK for itself.
func noVsock() error {
	l, err := vsock.Listen(&vsock.Addr{CID: vsock.Local}, 1)
	if err != nil {
		return fmt.Errorf("needs the module vsock_loopback: %w", err)
	}
	return l.Close()
}

// A client of VSOCK is served under every strategy, by a descriptor that its worker has.
func TestVsock(t *testing.T) {
	if err := noVsock(); err != nil {
		t.Skip(err)
	}
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			s := onSocket(t, "vsock", "local:0", class(t, chunks))
			s.Strategy = strategy()
			frameworktest.Serve(t, s)
			conn := dialVsock(t, s)
			require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
			frameworktest.Send(t, conn, "last")
			require.Equal(t, "last", frameworktest.End(t, conn))
		})
	}
}

// A read is a message and a write is a message, in whatever process.
func TestMessagesOfUnixpacket(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			s := onSocket(t, "unixpacket", filepath.Join(t.TempDir(), "s"), class(t, chunks))
			s.Strategy, s.ReadBuffer = strategy(), 16
			log := logOf(s)
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			sent := []string{"one", "two\ntwo", "fifteen bytes a"}
			for _, message := range sent {
				frameworktest.Send(t, conn, message)
			}
			for _, message := range sent {
				got := make([]byte, 100)
				n, err := conn.Read(got)
				require.NoError(t, err, "%q", message)
				require.Equal(t, message, string(got[:n]))
			}
			require.Empty(t, frameworktest.End(t, conn))

			long := frameworktest.Dial(t, s)
			frameworktest.Send(t, long, "sixteen bytes at")
			frameworktest.ExpectEnd(t, long)
			log.Await(t, "a message of more than 15 bytes; raise read_buffer")
		})
	}
}

// Messages that fill the buffer are not moved in steps by echo.
func TestEchoOfFullMessages(t *testing.T) {
	echo := framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		_, err := io.Copy(wfile, rfile)
		return err
	})
	s := onSocket(t, "unixpacket", filepath.Join(t.TempDir(), "s"), class(t, echo))
	s.ReadBuffer = 64 << 10
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	message := strings.Repeat("x", 64<<10-1)
	for range 3 {
		require.Equal(t, message, frameworktest.Ask(t, conn, message))
	}
}

// Clients of a machine are one source.
func TestSourceOfVsock(t *testing.T) {
	r := framework.NewDatagramRequest("vsock", nil, &vsock.Addr{CID: 3, Port: 5}, nil, nil)
	require.Equal(t, "cid 3", r.Source().String())
}
