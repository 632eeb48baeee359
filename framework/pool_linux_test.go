package framework_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A request that cannot be handed over costs no child for ever.
func TestChildrenThatGotNothing(t *testing.T) {
	transport := newFakeTransport()
	f := &framework.Forking{MaxChildren: 2}
	s := &framework.BaseServer{Transport: transport, Strategy: f, Class: class(t, act)}
	failures := errorsOf(s)
	frameworktest.Serve(t, s)
	for range 5 {
		tooLong := make([]byte, 1<<20) // for a frame
		transport.requests <- framework.NewDatagramRequest("udp", tooLong, nil, nil, nil)
		require.ErrorContains(t, frameworktest.Await(t, failures), "hand over: frame of")
	}
	eventually(t, func() bool { return len(f.ActiveChildren()) == 0 }, "children are left")
}

// A request without addresses is one too.
func TestNoAddresses(t *testing.T) {
	transport := newFakeTransport()
	s := &framework.BaseServer{Transport: transport, Strategy: &framework.Forking{}, Class: class(t, act)}
	frameworktest.Serve(t, s)
	answers := make(chan string, 1)
	transport.requests <- framework.NewDatagramRequest("udp", []byte("echo hello\n"), nil, nil, func(p []byte) error {
		answers <- string(p)
		return nil
	})
	require.Equal(t, "hello\n", frameworktest.Await(t, answers))
}

func TestForkingIsSharedByOneClass(t *testing.T) {
	f := &framework.Forking{}
	a, b := forkingServer(t, f), newServer["tcp"](t, class(t, echo))
	b.Strategy = f
	frameworktest.Serve(t, a)
	require.ErrorContains(t, b.Listen(), "the same Class")
	require.NoError(t, b.Close())
}

// A server that opens while the children of another one end has children of its own.
func TestForkingOpensAgain(t *testing.T) {
	f := &framework.Forking{Spares: 1}
	a := forkingServer(t, f)
	served := start(t, a)
	conn := frameworktest.Dial(t, a)
	frameworktest.Send(t, conn, "stuck\n")
	eventually(t, func() bool { return len(f.ActiveChildren()) == 2 }, "the spare is missing")
	go a.Close()
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)

	b := forkingServer(t, f)
	b.Class = a.Class
	frameworktest.Serve(t, b)
	held := frameworktest.Dial(t, b)
	frameworktest.Send(t, held, "hold\n")
	frameworktest.Expect(t, held, "holding\n")
	shutdownAnyhow(t, a)
	frameworktest.Send(t, held, "on\n")
	frameworktest.Expect(t, held, "released on\n")
}

// SIGTERM is for the server: a service manager sends it to everybody.
func TestTermForAChild(t *testing.T) {
	s := forkingServer(t, &framework.Forking{})
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	for _, pid := range s.Strategy.(*framework.Forking).ActiveChildren() {
		require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	}
	frameworktest.Send(t, conn, "still here?\n")
	frameworktest.Expect(t, conn, "released still here?\n")
}

func shutdownAnyhow(t *testing.T, s *framework.BaseServer) {
	t.Helper()
	_ = s.Close() // again: it waits for the first one
}

// A handler that only computes is told that the server stops, also in a child that had been
// waiting for it.
func TestForkingCancelsComputation(t *testing.T) {
	s := forkingServer(t, &framework.Forking{MaxRequests: 10})
	served := start(t, s)
	require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "compute\n")
	frameworktest.Expect(t, conn, "computing\n")
	frameworktest.Shutdown(t, s)
	frameworktest.Expect(t, conn, "cancelled\n")
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
}
