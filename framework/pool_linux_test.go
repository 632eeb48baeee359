package framework_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

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

// hanging is a program whose first two processes, but for one that says what it is, do so
// instead of beginning to serve.
func hanging(t *testing.T, do string) (program *framework.Program, hang func() bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	script := fmt.Sprintf("#!/bin/sh\ncd %q\nmkdir asked 2>/dev/null && exec %[2]q\nmkdir 1 2>/dev/null && %[3]s\nmkdir 2 2>/dev/null && %[3]s\nexec %[2]q\n", dir, self, do)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o700))
	return &framework.Program{Path: path}, func() bool {
		_, err := os.Stat(filepath.Join(dir, "2"))
		return err == nil
	}
}

// Children that hang before they begin are killed, each with a line, and hold up nobody.
func TestChildrenThatHangBeforeTheyBegin(t *testing.T) {
	for name, do := range map[string]string{
		"stopped": "kill -STOP $$",
		"waiting": "exec sleep 600",
		"deaf":    "exec sh -c 'exec 3>&-; sleep 600'", // without its channel
	} {
		for _, spares := range []int{0, 2} {
			t.Run(fmt.Sprint(name, " ", spares), func(t *testing.T) {
				t.Parallel() // they wait for the time limit of a start
				program, hang := hanging(t, do)
				log := frameworktest.NewLog()
				f := &framework.Forking{MaxChildren: 20, Spares: spares, Command: program}
				s := forkingServer(t, f)
				s.Log = log.Logger()
				served := start(t, s)
				if spares == 0 {
					for range 2 {
						frameworktest.Send(t, frameworktest.Dial(t, s), "pid\n")
					}
				}
				eventually(t, hang, "no child hangs")
				require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
				if name != "deaf" {
					require.NotContains(t, log.String(), "child killed", "they were waited for")
				}
				for range 5 {
					require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
				}
				if name != "deaf" {
					log.AwaitCount(t, 2, "child killed: it did not begin to serve")
				}
				require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
				frameworktest.Shutdown(t, s)
				require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			})
		}
	}
}

// The time that a child takes to start is not its request's.
func TestSlowStartIsNotTheRequest(t *testing.T) {
	program, _ := hanging(t, "sleep 0.8") // twice, which is longer than a handler may take to notice its timeout
	s := forkingServer(t, &framework.Forking{Command: program})
	s.Timeouts.Request = 50 * time.Millisecond
	frameworktest.Serve(t, s)
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// An idle child that was stopped is replaced, and costs no request.
func TestStoppedIdleChildren(t *testing.T) {
	for name, f := range map[string]*framework.Forking{
		"some": {Spares: 2}, "all": {Spares: 4, MaxChildren: 4}, "reused": {Spares: 1, MaxChildren: 1, MaxRequests: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for the time limit of a start
			s := forkingServer(t, f)
			frameworktest.Serve(t, s)
			eventually(t, func() bool { return len(f.ActiveChildren()) == f.Spares }, "spares are missing")
			for _, pid := range f.ActiveChildren() { // also before they are idle
				frameworktest.Freeze(t, pid)
			}
			for range 4 {
				require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
			}
		})
	}
}
