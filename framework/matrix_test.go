package framework_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A transport is a row of the contract tests. Each row is served under each of newStrategy.
type transport struct {
	serve func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer // on a free address
	dial  func(t testing.TB, s *framework.BaseServer) net.Conn
}

// A foreign transport is one more line; so is a foreign strategy, in newStrategy.
var transports = map[string]transport{
	"tcp":      {newServer["tcp"], frameworktest.Dial},
	"udp":      {newServer["udp"], frameworktest.Dial},
	"unix":     {newServer["unix"], frameworktest.Dial},
	"unixgram": {newServer["unixgram"], frameworktest.Dial},
}

// The contract is what every strategy and every transport do for any handler.
var contract = map[string]func(t *testing.T, s *framework.BaseServer, dial func() net.Conn){
	"requests are answered": func(t *testing.T, s *framework.BaseServer, dial func() net.Conn) {
		frameworktest.Serve(t, s)
		for range 10 {
			require.Equal(t, "hello\n", frameworktest.Ask(t, dial(), "echo hello\n"))
		}
	},
	"requests that come at once are answered": func(t *testing.T, s *framework.BaseServer, dial func() net.Conn) {
		frameworktest.Serve(t, s)
		var clients sync.WaitGroup
		for range 10 {
			conn := dial()
			clients.Go(func() {
				answer := make([]byte, 100)
				_, err := conn.Write([]byte("echo hello\n"))
				n, failed := conn.Read(answer)
				if err != nil || failed != nil || string(answer[:n]) != "hello\n" {
					t.Errorf("%q, %v, %v", answer[:n], err, failed)
				}
			})
		}
		clients.Wait()
	},
	"an error and a panic cost one request": func(t *testing.T, s *framework.BaseServer, dial func() net.Conn) {
		log := logOf(s)
		frameworktest.Serve(t, s)
		frameworktest.Send(t, dial(), "error no such value\n")
		log.Await(t, "no such value")
		frameworktest.Send(t, dial(), "panic no way out\n")
		log.Await(t, "no way out")
		require.Equal(t, "alive\n", frameworktest.Ask(t, dial(), "echo alive\n"))
	},
	"a handler may stop the server": func(t *testing.T, s *framework.BaseServer, dial func() net.Conn) {
		served := start(t, s)
		require.Equal(t, "stopping\n", frameworktest.Ask(t, dial(), "stop\n"))
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
		frameworktest.Shutdown(t, s)
	},
	"nothing is left after Shutdown": func(t *testing.T, s *framework.BaseServer, dial func() net.Conn) {
		served := start(t, s)
		socket := socketOf(t, s)
		require.Equal(t, "hello\n", frameworktest.Ask(t, dial(), "echo hello\n"))
		frameworktest.Shutdown(t, s)
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
		require.Zero(t, s.Active())
		socket.requireClosed(t)
		require.ErrorIs(t, s.Listen(), framework.ErrServerClosed)
	},
}

func TestContract(t *testing.T) {
	for network, transport := range transports {
		testContract(t, network, transport, newStrategy)
	}
}

func testContract(t *testing.T, network string, transport transport, strategies map[string]func() framework.Strategy) {
	for name, strategy := range strategies {
		for promise, test := range contract {
			t.Run(network+"/"+name+"/"+promise, func(t *testing.T) {
				t.Parallel()
				s := transport.serve(t, class(t, act))
				s.Strategy = strategy()
				test(t, s, func() net.Conn { return transport.dial(t, s) })
			})
		}
	}
}
