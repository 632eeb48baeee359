package framework_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// preforkingServer makes a TCP server of act whose workers are this program.
func preforkingServer(t *testing.T, p *framework.Preforking) *framework.BaseServer {
	t.Helper()
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = p
	return s
}

// The workers are started once and serve everything.
func TestPreforkingWorkers(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			p := &framework.Preforking{Workers: 3}
			s := newServer[network](t, class(t, act))
			s.Strategy = p
			frameworktest.Serve(t, s)
			workers := p.ActiveChildren()
			require.Len(t, workers, 3)
			for range 30 {
				pid, err := strconv.Atoi(strings.TrimSpace(ask(t, s, "pid\n")))
				require.NoError(t, err)
				require.Contains(t, workers, pid)
			}
			require.Equal(t, workers, p.ActiveChildren())
		})
	}
}

// As many as there are processors, which they share.
func TestPreforkingDefaults(t *testing.T) {
	p := &framework.Preforking{}
	s := preforkingServer(t, p)
	frameworktest.Serve(t, s)
	require.NotEmpty(t, p.ActiveChildren())
	require.Contains(t, askAll(t, s, "environment\n"), "GOMAXPROCS=1\n")
}

// A worker that has its share of the connections leaves the next one to another: none waits
// in one worker while there is room in another.
func TestPreforkingShareOfConnections(t *testing.T) {
	for range 5 { // who takes a connection is a matter of chance
		s := preforkingServer(t, &framework.Preforking{Workers: 2})
		s.Limits = &framework.Limits{Connections: 4}
		served := start(t, s)
		first := hold(t, s)
		for range 3 {
			hold(t, s)
		}
		waiting := frameworktest.Dial(t, s)
		frameworktest.Send(t, waiting, "hold\n")
		requireSilent(t, waiting)
		frameworktest.Send(t, first, "go\n")
		frameworktest.Expect(t, first, "released go\n")
		frameworktest.Expect(t, waiting, "holding\n")
		require.NoError(t, s.Close())
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	}
}

// What ends a worker ends its requests only, and another worker takes its place.
func TestPreforkingWorkerEnds(t *testing.T) {
	for _, line := range []string{"exit 3", "overflow", fmt.Sprint("kill ", int(syscall.SIGKILL))} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			p := &framework.Preforking{Workers: 2}
			s := preforkingServer(t, p)
			s.Limits = &framework.Limits{Connections: 2} // one each
			book := logOf(s)
			frameworktest.Serve(t, s)
			other := hold(t, s)
			before := p.ActiveChildren()
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, line+"\n")
			frameworktest.ExpectEnd(t, conn)
			book.Await(t, "worker ended and is replaced")
			require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
			frameworktest.Send(t, other, "go\n")
			frameworktest.Expect(t, other, "released go\n")
			eventually(t, func() bool { return len(p.ActiveChildren()) == 2 }, "it is not replaced")
			require.NotEqual(t, before, p.ActiveChildren())
		})
	}
}

// While no worker can be started clients wait, and are served afterwards.
func TestPreforkingReplacementFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "worker") // not pinned, as its interpreter opens it
	write := func() {
		require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec %s\n", os.Args[0]), 0o700))
	}
	write()
	s := preforkingServer(t, &framework.Preforking{Workers: 1, Command: &framework.Program{Path: script}})
	book := logOf(s)
	frameworktest.Serve(t, s)
	require.NoError(t, os.Remove(script))
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "exit 3\n")
	frameworktest.ExpectEnd(t, conn)
	began := time.Now()
	require.Contains(t, book.Await(t, "no such file"), "exit status 3")
	waiting := frameworktest.Dial(t, s)
	frameworktest.Send(t, waiting, "echo patience\n")
	requireSilent(t, waiting)
	book.Await(t, "delay=80ms") // after pauses of 5, 10, 20 and 40 ms
	require.GreaterOrEqual(t, time.Since(began), 75*time.Millisecond)
	write()
	frameworktest.Expect(t, waiting, "patience\n")
}

// Workers that cannot begin are an error before the server listens.
func TestPreforkingWorkerCanNotBegin(t *testing.T) {
	t.Setenv("DEMANDED", "yes") // here, not in the workers
	pinSelf(t)
	before := openFiles(t)
	s := newServer["tcp"](t, class(t, demanding))
	s.Strategy = &framework.Preforking{Workers: 2}
	require.ErrorContains(t, s.Listen(), "DEMANDED is not set")
	require.Nil(t, s.Addr())
	require.NoError(t, s.Close())
	requireOpenFiles(t, before)
}

// What cannot run in workers is refused.
func TestPreforkingRefuses(t *testing.T) {
	for name, set := range map[string]func(s *framework.BaseServer){
		"VerifyRequest": func(s *framework.BaseServer) { s.VerifyRequest = func(*framework.Request) bool { return true } },
		"HandleError":   func(s *framework.BaseServer) { s.HandleError = func(*framework.Request, error) {} },
	} {
		s := preforkingServer(t, &framework.Preforking{})
		set(s)
		require.ErrorContains(t, s.Listen(), name)
		require.NoError(t, s.Close())
	}
	byHand := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler { return &direct{} }})
	byHand.Strategy = &framework.Preforking{}
	require.EqualError(t, byHand.Listen(), "framework: a child cannot make this handler class: make it with the Class method of a constructor that is given to ServeWorker")
	s := preforkingServer(t, &framework.Preforking{Workers: 1})
	require.ErrorContains(t, s.HandleRequest(), "call ServeForever")
	require.NoError(t, s.Close())
}

// Limits that were changed before the server listens decide how it does that.
func TestPreforkingListensWithChangedLimits(t *testing.T) {
	s := preforkingServer(t, &framework.Preforking{Workers: 1})
	s.Limits = &framework.Limits{}
	s.Limits.Change(&framework.Limits{Access: framework.Access{Deny: networks("127.0.0.0/8")}})
	frameworktest.Serve(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
}

// Servers that share the workers have the same limits, as each worker counts for all.
func TestPreforkingSharedLimits(t *testing.T) {
	p := &framework.Preforking{Workers: 1}
	c := class(t, act)
	s, other := newServer["tcp"](t, c), newServer["unix"](t, c)
	s.Strategy, other.Strategy = p, p
	other.Limits = &framework.Limits{Connections: 1}
	frameworktest.Serve(t, s)
	require.ErrorContains(t, other.Listen(), "the same Class, Timeouts, Limits and MaxLine")
}

// Sockets are not counted among the connections that a worker may hold.
func TestPreforkingFewDescriptors(t *testing.T) {
	c := class(t, act)
	p := &framework.Preforking{Workers: 1, Command: &framework.Program{Restrictions: framework.Restrictions{Files: 64}}}
	for _, network := range []string{"tcp", "tcp", "unix"} {
		s := newServer[network](t, c)
		s.Strategy = p
		frameworktest.Serve(t, s)
		require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	}
}

// ServiceActions goes on in the server.
func TestPreforkingServiceActions(t *testing.T) {
	s := preforkingServer(t, &framework.Preforking{Workers: 1})
	called := make(chan struct{}, 10)
	s.ServiceActions = func() { called <- struct{}{} }
	frameworktest.Serve(t, s)
	frameworktest.Await(t, called)
}

// At the end nothing is left: no process, no descriptor, no file of a socket.
func TestPreforkingLeavesNothing(t *testing.T) {
	pinSelf(t)
	before, children := openFiles(t), len(frameworktest.Children(t, os.Getpid()))
	path := filepath.Join(t.TempDir(), "s")
	for range 3 {
		s := framework.NewUnixStreamServer(path, class(t, act))
		s.Strategy = &framework.Preforking{Workers: 2}
		served := start(t, &s.BaseServer)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.Equal(t, "hello\n", ask(t, &s.BaseServer, "echo hello\n"))
		frameworktest.Shutdown(t, &s.BaseServer)
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Empty(t, entries)
	}
	require.Len(t, frameworktest.Children(t, os.Getpid()), children)
	requireOpenFiles(t, before)
}

// Stopping ends the workers that still serve when the time is over, and says so.
func TestPreforkingShutdownDeadline(t *testing.T) {
	p := &framework.Preforking{Workers: 2}
	s := preforkingServer(t, p)
	s.Limits = &framework.Limits{Connections: 2}
	book := logOf(s)
	served := start(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "stuck\n")
	frameworktest.Expect(t, conn, "stuck\n")
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	book.Await(t, "worker waits for requests")
	cancel()
	require.ErrorContains(t, frameworktest.Await(t, stopped), "workers were ended before they were done")
	frameworktest.ExpectEnd(t, conn)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.Empty(t, p.ActiveChildren())
}

// Workers that are ended as nobody needs them any more are not replaced; they are as soon as
// somebody does.
func TestPreforkingReplacesWhereNeeded(t *testing.T) {
	p := &framework.Preforking{Workers: 1}
	first, second, user := preforkingServer(t, p), preforkingServer(t, p), preforkingServer(t, p)
	second.Class, user.Class = first.Class, first.Class
	log := logOf(first)
	served := start(t, first)
	require.NoError(t, p.Open(user)) // and serves nothing
	defer p.Close(user)
	conn := frameworktest.Dial(t, first)
	frameworktest.Send(t, conn, "stuck\n")
	frameworktest.Expect(t, conn, "stuck\n")
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- first.Shutdown(ctx) }()
	log.Await(t, "worker waits for requests")
	cancel()
	require.Error(t, frameworktest.Await(t, stopped))
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	eventually(t, func() bool { return len(p.ActiveChildren()) == 0 }, "it lives")
	require.Zero(t, log.Count("is replaced"))
	frameworktest.Serve(t, second)
	require.Equal(t, "alive\n", ask(t, second, "echo alive\n"))
	require.Equal(t, 1, log.Count("is replaced"))
}

// After SIGKILL of the server an idle worker ends at once, and a busy one when it is done; it listens no more.
func TestPreforkingServerKilled(t *testing.T) {
	p := startRole(t, "server", `{"preforking": 2}`)
	conn := p.dial(t)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	var workers []watched
	for pid := range frameworktest.Children(t, p.cmd.Process.Pid) {
		workers = append(workers, watch(t, pid))
	}
	require.Len(t, workers, 2)
	p.kill(t)
	awaitEnds(t, workers, 1)
	eventually(t, func() bool {
		c, err := net.Dial("tcp", p.address)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, "a worker whose server has gone still listens")
	frameworktest.Send(t, conn, "still here?\n")
	frameworktest.Expect(t, conn, "released still here?\n")
	awaitEnds(t, workers, 2)
}

// A worker has its channel, the sockets that it serves, and nothing else of the server.
func TestPreforkingDescriptors(t *testing.T) {
	canary := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(canary, nil, 0o600))
	p := startRole(t, "server", fmt.Sprintf(`{"preforking": 1, "canary": %q}`, canary))
	conn := p.dial(t)
	frameworktest.Send(t, conn, "descriptors\n")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(answer), "socket:"), "channel, listener, connection: %s", answer)
	require.NotContains(t, string(answer), canary)
	p.stop(t)
}
