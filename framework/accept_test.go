package framework_test

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// No error but a closed transport ends the loop.
func TestAcceptErrorsDoNotEndTheLoop(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.ECONNABORTED, syscall.EPROTO, syscall.ENETDOWN, syscall.EHOSTUNREACH, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.EINTR, syscall.EPERM, syscall.EMFILE, syscall.ENFILE, syscall.EINVAL,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := newFakeTransport()
				var failed []error
				s := &framework.BaseServer{Transport: transport, Class: class(t, echo), Trace: &framework.Trace{AcceptFailed: func(err error) { failed = append(failed, err) }}}
				served := start(t, s)
				transport.errs <- &net.OpError{Op: "accept", Err: errno}
				began := time.Now()
				server, client := net.Pipe()
				transport.requests <- framework.NewStreamRequest("tcp", server)
				require.Equal(t, 5*time.Millisecond, time.Since(began))
				frameworktest.Send(t, client, "hello\n")
				frameworktest.Expect(t, client, "hello\n")
				transport.errs <- fmt.Errorf("accept: %w", net.ErrClosed)
				require.ErrorIs(t, <-served, net.ErrClosed)
				require.Len(t, failed, 1)
				require.ErrorIs(t, failed[0], errno)
				s.Stop()
				require.NoError(t, client.Close())
			})
		})
	}
}

// While descriptors are short the loop backs off, 5 ms to 1 s, and says once a
// second what to do. The end of the shortage is noticed within a second.
func TestAcceptBacksOffWhileDescriptorsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := newFakeTransport()
		book := frameworktest.NewLog()
		var short atomic.Bool
		short.Store(true)
		transport.fail = func() error {
			if short.Load() {
				return &net.OpError{Op: "accept", Err: syscall.EMFILE}
			}
			return nil
		}
		s := &framework.BaseServer{Transport: transport, Class: class(t, echo), Log: hclog.New(&hclog.LoggerOptions{Output: book})}
		served := start(t, s)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, transport.calls.Load(), int64(40))
		require.InDelta(t, 30, book.Count("ulimit -n"), 2)
		short.Store(false)
		began := time.Now()
		server, client := net.Pipe()
		transport.requests <- framework.NewStreamRequest("tcp", server)
		require.LessOrEqual(t, time.Since(began), time.Second)
		frameworktest.Send(t, client, "hello\n")
		frameworktest.Expect(t, client, "hello\n")

		require.NoError(t, client.Close())
		s.Stop()
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
}

// An address that is taken is an error of Listen, and nothing is left half open.
func TestListenFailsWhereAddressIsInUse(t *testing.T) {
	for network, again := range map[string]func(address string) *framework.BaseServer{
		"tcp": func(a string) *framework.BaseServer {
			return &framework.NewTCPServer(a, class(t, echo)).BaseServer
		},
		"udp": func(a string) *framework.BaseServer {
			return &framework.NewUDPServer(a, class(t, echo)).BaseServer
		},
	} {
		first := newServer[network](t, class(t, echo))
		frameworktest.Serve(t, first)
		pinSelf(t)
		before := openFiles(t)
		second := again(first.Addr().String())
		f := &framework.Forking{Spares: 1}
		second.Strategy = f
		err := second.Listen()
		require.ErrorIs(t, err, syscall.EADDRINUSE)
		require.ErrorContains(t, err, first.Addr().String())
		require.Empty(t, f.ActiveChildren())
		requireOpenFiles(t, before)
		require.NoError(t, second.Close())
		require.Equal(t, "hello\n", ask(t, first, "hello\n"))
	}
}

// So is one that does not exist here.
func TestListenFailsWhereAddressDoesNotExist(t *testing.T) {
	for _, address := range []string{"192.0.2.1:0", "localhost", "localhost:http:", "localhost:70000"} {
		s := framework.NewTCPServer(address, class(t, echo))
		require.Error(t, s.Listen(), address)
		require.NoError(t, s.Close())
	}
}

// Both families of a wildcard, or one that leaves the other to somebody else.
func TestIPv6Only(t *testing.T) {
	six := framework.NewTCPServer("[::]:0", class(t, echo))
	six.IPv6Only = true
	if err := six.Listen(); err != nil {
		t.Skip("needs IPv6:", err)
	}
	defer six.Close()
	four := framework.NewTCPServer(fmt.Sprintf("0.0.0.0:%d", six.Addr().(*net.TCPAddr).Port), class(t, echo))
	frameworktest.Serve(t, &four.BaseServer)
	require.Equal(t, "hello\n", ask(t, &four.BaseServer, "hello\n"))
}

// Closing frees the address at once, also while connections of it live on.
func TestAddressIsFree(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Threading{}
	start(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	address := s.Addr().String()
	s.Stop()
	next := framework.NewTCPServer(address, class(t, echo))
	frameworktest.Serve(t, &next.BaseServer)
	require.Equal(t, "hello\n", ask(t, &next.BaseServer, "hello\n"))
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "released go\n")
	_, err := io.ReadAll(conn)
	require.NoError(t, err)
	frameworktest.Shutdown(t, s)
}
