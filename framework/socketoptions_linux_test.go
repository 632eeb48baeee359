package framework_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// options tells what the connection's socket is set to.
var options = framework.Define(struct{}{}, func(struct{}) (*framework.HandlerClass, error) {
	return &framework.HandlerClass{New: func() framework.Handler { return &optionsHandler{} }}, nil
})

func init() { constructors = append(constructors, options) }

type optionsHandler struct{ framework.StreamRequestHandler }

func (h *optionsHandler) Handle(_ *bufio.Reader, wfile io.Writer) error {
	raw, err := h.Conn().(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	values := make([]int, 5)
	return raw.Control(func(fd uintptr) {
		for i, o := range [][2]int{
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY},
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
		} {
			values[i], _ = syscall.GetsockoptInt(int(fd), o[0], o[1])
		}
		fmt.Fprint(wfile, values)
	})
}

// A worker that has had a listening socket cannot have the connections of the next server linger.
func TestInheritedListenerDoesNotLinger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, syscall.SetsockoptLinger(int(file.Fd()), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: 3600}))
	socket, err := framework.InheritSocket("tcp", file, framework.SocketOptions{})
	require.NoError(t, err)
	defer socket.Close()
	transport := socket.Transport()
	require.NoError(t, transport.Open())
	defer transport.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	r, err := transport.GetRequest()
	require.NoError(t, err)
	defer r.Conn().Close()
	raw, err := r.Conn().(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		lingers, err := unix.GetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER)
		require.NoError(t, err)
		require.Zero(t, lingers.Onoff)
	}))
}

func TestSocketOptions(t *testing.T) {
	for name, strategy := range map[string]func() framework.Strategy{
		"threading":  func() framework.Strategy { return &framework.Threading{} },
		"forking":    func() framework.Strategy { return &framework.Forking{} },
		"preforking": func() framework.Strategy { return &framework.Preforking{Workers: 1} },
	} {
		for want, set := range map[string]func(*framework.TCPServer){
			"[1 1 15 5 3]":  func(*framework.TCPServer) {},
			"[0 1 15 5 3]":  func(s *framework.TCPServer) { s.Nagle = true },
			"[1 1 42 14 3]": func(s *framework.TCPServer) { s.KeepAlive = 42 * time.Second },
			"[1 0 ":         func(s *framework.TCPServer) { s.KeepAlive = -1 },
		} {
			t.Run(name+" "+want, func(t *testing.T) {
				class, err := options.Class(nil)
				require.NoError(t, err)
				s := framework.NewTCPServer("127.0.0.1:0", class)
				set(s)
				s.Strategy = strategy()
				frameworktest.Serve(t, &s.BaseServer)
				conn := frameworktest.Dial(t, &s.BaseServer)
				got, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Contains(t, string(got), want)
			})
		}
	}
}
