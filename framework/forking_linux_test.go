package framework_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// One request is one child, which has gone afterwards.
func TestForkingOneChildPerRequest(t *testing.T) {
	f := &framework.Forking{}
	s := forkingServer(t, f)
	frameworktest.Serve(t, s)
	pids := map[string]bool{}
	for range 5 {
		pids[ask(t, s, "pid\n")] = true
	}
	require.Len(t, pids, 5)
	eventually(t, func() bool { return len(f.ActiveChildren()) == 0 }, "children are left")
}

// MaxRequests requests are one child.
func TestForkingMaxRequests(t *testing.T) {
	s := forkingServer(t, &framework.Forking{MaxRequests: 3, MaxChildren: 1})
	frameworktest.Serve(t, s)
	var pids []string
	for range 6 {
		pids = append(pids, ask(t, s, "pid\n"))
	}
	require.Equal(t, pids[0], pids[1])
	require.Equal(t, pids[0], pids[2])
	require.NotEqual(t, pids[2], pids[3])
	require.Equal(t, pids[3], pids[5])
}

// Spares wait, and those that are used or killed are made up for.
func TestForkingSpares(t *testing.T) {
	f := &framework.Forking{Spares: 2}
	s := forkingServer(t, f)
	frameworktest.Serve(t, s)
	serve := func() int {
		pid, err := strconv.Atoi(strings.TrimSpace(ask(t, s, "pid\n")))
		require.NoError(t, err)
		return pid
	}
	served := 0 // the child that did: it ends by itself, and is a child until it has
	full := func() bool {
		children := f.ActiveChildren()
		return len(children) == 2 && !slices.Contains(children, served)
	}
	eventually(t, func() bool { // a spare serves when it has begun
		before := f.ActiveChildren()
		served = serve()
		return slices.Contains(before, served)
	}, "no spare serves")
	for range 5 {
		eventually(t, full, "spares are missing")
		for _, pid := range f.ActiveChildren() {
			w := watch(t, pid)
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			awaitEnds(t, []watched{w}, 1)
		}
		served = serve()
	}
}

// MaxChildren bounds the children, whatever they do, and Shutdown returns there.
func TestForkingMaxChildren(t *testing.T) {
	f := &framework.Forking{MaxChildren: 2, Spares: 5}
	s := forkingServer(t, f)
	served := start(t, s)
	var held []net.Conn
	for range 2 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "hold\n")
		frameworktest.Expect(t, conn, "holding\n")
		held = append(held, conn)
	}
	waiting := frameworktest.Dial(t, s)
	frameworktest.Send(t, waiting, "pid\n")
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := waiting.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Len(t, f.ActiveChildren(), 2)
	s.Stop()
	for _, conn := range held {
		frameworktest.Send(t, conn, "go\n")
		frameworktest.Expect(t, conn, "released go\n")
	}
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.Empty(t, f.ActiveChildren())
}

// Many short children are never more than allowed, those that nobody has reaped
// included, and none is left; also where HandleRequest is called in a loop.
func TestManyShortChildrenStayBelowMaxChildren(t *testing.T) {
	for name, loop := range map[string]func(s *framework.BaseServer) error{
		"ServeForever": (*framework.BaseServer).ServeForever,
		"HandleRequest": func(s *framework.BaseServer) error {
			for {
				if err := s.HandleRequest(); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			pinSelf(t)
			p := os.Getpid()
			before := len(frameworktest.Children(t, p))
			files := openFiles(t)
			f := &framework.Forking{MaxChildren: 4}
			s := forkingServer(t, f)
			require.NoError(t, s.Listen())
			served := make(chan error, 1)
			go func() { served <- loop(s) }()
			var clients sync.WaitGroup
			for range 6 {
				clients.Go(func() {
					for range 4 {
						conn, err := net.Dial("tcp", s.Addr().String())
						if err != nil {
							return
						}
						_, _ = io.WriteString(conn, "pid\n")
						_, _ = io.ReadAll(conn)
						_ = conn.Close()
						if n := len(frameworktest.Children(t, p)); n > before+4 {
							t.Errorf("%d children", n)
						}
					}
				})
			}
			clients.Wait()
			frameworktest.Shutdown(t, s)
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			require.Len(t, frameworktest.Children(t, p), before)
			requireOpenFiles(t, files)
		})
	}
}

// A panic is told to the server, with its stack, and the child goes on.
func TestPanicInChildReachesHandleError(t *testing.T) {
	underEach(t, hooked(), "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		errs := errorsOf(s)
		frameworktest.Serve(t, s)
		require.Empty(t, askAll(t, s, "panic at the disco\n"))
		var panicked *framework.PanicError
		require.ErrorAs(t, frameworktest.Await(t, errs), &panicked)
		require.Equal(t, "panic: at the disco", panicked.Error())
		require.Contains(t, string(panicked.Stack), "main_test.go")
		require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	})
}

// Where nobody asks to be told it is logged once, with its stack.
func TestPanicInChildIsLoggedOnce(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		book := logOf(s)
		frameworktest.Serve(t, s)
		require.Empty(t, askAll(t, s, "panic at the disco\n"))
		require.Contains(t, book.Await(t, "handler panicked"), "main_test.go")
		require.Equal(t, 1, book.Count("at the disco"))
	})
}

// A child that serves several requests survives a panic, and none of os.Exit.
func TestPanicDoesNotEndTheChild(t *testing.T) {
	s := forkingServer(t, &framework.Forking{MaxRequests: 10, MaxChildren: 1})
	frameworktest.Serve(t, s)
	pid := ask(t, s, "pid\n")
	askAll(t, s, "panic now\n")
	askAll(t, s, "error now\n")
	require.Equal(t, pid, ask(t, s, "pid\n"))
	askAll(t, s, "exit 3\n")
	require.NotEqual(t, pid, ask(t, s, "pid\n"))
}

// What ends a process ends one child, is reported, and the next request is served.
func TestChildThatEndsCostsOneRequest(t *testing.T) {
	for line, says := range map[string]string{
		"exit 3":   "exit status 3",
		"overflow": "stack overflow",
		fmt.Sprint("kill ", int(syscall.SIGSEGV)): "SIGSEGV",
		fmt.Sprint("kill ", int(syscall.SIGABRT)): "SIGABRT",
		fmt.Sprint("kill ", int(syscall.SIGKILL)): "killed",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			s := forkingServer(t, &framework.Forking{MaxRequests: 3})
			book := logOf(s)
			errs := errorsOf(s)
			frameworktest.Serve(t, s)
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, line+"\n")
			frameworktest.ExpectEnd(t, conn)
			require.ErrorContains(t, frameworktest.Await(t, errs), "the worker process has gone")
			book.Await(t, "")
			eventually(t, func() bool {
				return strings.Contains(book.String(), says) || line[0] == 'e' || strings.HasSuffix(line, " 9")
			}, "not logged: "+says)
			require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
		})
	}
}

// Children that are killed while they are idle or busy cost only what they held.
func TestChildKilled(t *testing.T) {
	f := &framework.Forking{MaxRequests: 10, MaxChildren: 1}
	s := forkingServer(t, f)
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	// What it leaves behind keeps the server for a while from learning all about its end.
	require.Equal(t, "lingering\n", ask(t, s, "linger 1\n"))
	eventually(t, func() bool { return len(f.ActiveChildren()) == 1 }, "no idle child")
	idle := watch(t, f.ActiveChildren()[0])
	require.NoError(t, syscall.Kill(idle.pid, syscall.SIGKILL))
	awaitEnds(t, []watched{idle}, 1)
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n")) // whether the server knows it yet or not

	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	for _, pid := range f.ActiveChildren() {
		child := watch(t, pid)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		awaitEnds(t, []watched{child}, 1)
	}
	frameworktest.ExpectEnd(t, conn)
	require.ErrorContains(t, frameworktest.Await(t, errs), "killed")
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// A process that is killed is over, whatever it has left behind with its channel.
func TestChildThatLeavesItsChannelBehind(t *testing.T) {
	leave := func(t *testing.T, s *framework.BaseServer) {
		var pid int
		_, err := fmt.Sscan(ask(t, s, "leave 3600\n"), &pid)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, syscall.Kill(pid, syscall.SIGKILL)) })
	}
	t.Run("late", func(t *testing.T) {
		s := forkingServer(t, &framework.Forking{MaxChildren: 1})
		s.Timeouts.Request = time.Second
		frameworktest.Serve(t, s)
		leave(t, s)
		require.Equal(t, "next\n", ask(t, s, "echo next\n"))
	})
	for name, strategy := range map[string]framework.Strategy{"forking": &framework.Forking{}, "preforking": &framework.Preforking{Workers: 1}} {
		t.Run(name, func(t *testing.T) {
			s := newServer["tcp"](t, class(t, act))
			s.Strategy = strategy
			served := start(t, s)
			leave(t, s)
			at, cut := context.WithCancel(t.Context())
			cut()
			require.ErrorIs(t, s.Shutdown(at), context.Canceled)
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			frameworktest.Shutdown(t, s)
		})
	}
}

// The program of the children has gone, or is none: a clear error before listening.
func TestListenRefusesACommandThatIsNoWorker(t *testing.T) {
	dir := t.TempDir()
	loose := filepath.Join(dir, "loose")
	require.NoError(t, os.WriteFile(loose, []byte("not a program"), 0o600))
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("not a program"), 0o700))
	busy := filepath.Join(dir, "busy")
	program, err := os.ReadFile("/bin/true")
	require.NoError(t, err)
	writing, err := os.OpenFile(busy, os.O_CREATE|os.O_WRONLY, 0o700)
	require.NoError(t, err)
	defer writing.Close()
	_, err = writing.Write(program)
	require.NoError(t, err)
	for path, says := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		dir:                        "is a directory",
		loose:                      "permission denied",
		empty:                      "exec format error",
		busy:                       "has to call framework.ServeWorker first", // a copy of it is not busy
		"/bin/true":                "has to call framework.ServeWorker first",
		"/bin/false":               "exit status 1",
	} {
		before := openFiles(t)
		s := forkingServer(t, &framework.Forking{Command: &framework.Program{Path: path}})
		err := s.Listen()
		require.ErrorContains(t, err, says, path)
		require.ErrorContains(t, err, path)
		require.NotContains(t, err.Error(), "/proc/self/fd", path)
		require.Nil(t, s.Addr())
		require.NoError(t, s.Close())
		requireOpenFiles(t, before)
	}
}

// Where a child cannot be started the connection is closed, the next one is tried
// after a pause, and the server lives.
func TestChildThatCannotStartCostsOneRequest(t *testing.T) {
	script := filepath.Join(t.TempDir(), "worker") // not pinned, as its interpreter opens it
	write := func() {
		require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec %s\n", os.Args[0]), 0o700))
	}
	write()
	f := &framework.Forking{Command: &framework.Program{Path: script}}
	s := forkingServer(t, f)
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	require.NoError(t, os.Remove(script))
	for range 3 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "echo hello\n")
		frameworktest.ExpectEnd(t, conn)
		require.ErrorContains(t, frameworktest.Await(t, errs), "no such file")
	}
	write()
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// Spares that die at once are not started again without a pause.
func TestDyingSparesAreReplacedWithPauses(t *testing.T) {
	t.Setenv("DEMANDED", "yes") // here, not in the children
	f := &framework.Forking{Spares: 2}
	s := newServer["tcp"](t, class(t, demanding))
	s.Strategy = f
	book := logOf(s)
	began := time.Now()
	frameworktest.Serve(t, s)
	book.Await(t, "DEMANDED is not set")
	conn := frameworktest.Dial(t, s)
	frameworktest.ExpectEnd(t, conn)
	book.AwaitCount(t, 11, "worker ended")
	require.Greater(t, time.Since(began), 300*time.Millisecond, "eight pauses that double, two at a time")
}

// What is started is what was opened, also when the path has been replaced since.
func TestProgramIsPinned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker")
	program, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, program, 0o700))
	s := forkingServer(t, &framework.Forking{Command: &framework.Program{Path: path}})
	frameworktest.Serve(t, s)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("another"), 0o700))
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// A worker of another build is not used: this program is, and that is said once.
func TestBuildMismatch(t *testing.T) {
	pinSelf(t)
	before := openFiles(t)
	path := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.Symlink(os.Args[0], path))
	s := forkingServer(t, &framework.Forking{Command: &framework.Program{
		Path: path, Build: framework.Build(), Env: []string{"BUILD_OF_TEST=another"},
	}, Spares: 2})
	book := logOf(s)
	served := start(t, s)
	for range 3 {
		require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
	}
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.Equal(t, 1, book.Count("another build; this program"), book)
	require.NotContains(t, book.String(), "[ERROR]", "everything works")
	requireOpenFiles(t, before)
}

// After SIGKILL of the server idle children end at once and a busy one when it is done.
func TestChildrenOfAKilledServerEnd(t *testing.T) {
	p := startRole(t, "server", `{"forking": true, "spares": 2}`)
	conn := p.dial(t)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	server := p.cmd.Process.Pid
	eventually(t, func() bool { return len(frameworktest.Children(t, server)) == 3 }, "spares are missing")
	var children []watched
	for pid := range frameworktest.Children(t, server) {
		children = append(children, watch(t, pid))
	}
	p.kill(t)
	awaitEnds(t, children, 2)
	frameworktest.Send(t, conn, "still here?\n")
	frameworktest.Expect(t, conn, "released still here?\n")
	awaitEnds(t, children, 3)
}

// SIGSTOP of the server loses nothing.
func TestStoppedServerLosesNothing(t *testing.T) {
	p := startRole(t, "server", `{"forking": true, "spares": 1}`)
	conn := p.dial(t)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	queued := p.dial(t)
	frameworktest.Send(t, queued, "echo hello\n")
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "released go\n")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
	frameworktest.Expect(t, queued, "hello\n")
	p.stop(t)
}

// The server waits for what its children serve, then takes them with it.
func TestShutdownDeadlineKillsChildren(t *testing.T) {
	f := &framework.Forking{Spares: 1}
	s := forkingServer(t, f)
	served := start(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "stuck\n")
	frameworktest.Expect(t, conn, "stuck\n")
	var children []watched
	for _, pid := range f.ActiveChildren() {
		children = append(children, watch(t, pid))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	frameworktest.ExpectEnd(t, conn)
	awaitEnds(t, children, len(children))
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	frameworktest.Shutdown(t, s)
	require.Empty(t, f.ActiveChildren())
}

// A child has descriptors 0, 1, 2, the channel and the connection, and what its
// runtime opened. Nothing that the server holds or was started with is among them.
func TestChildDescriptors(t *testing.T) {
	canary := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(canary, nil, 0o600))
	p := startRole(t, "server", fmt.Sprintf(`{"forking": true, "canary": %q}`, canary))
	require.Contains(t, strings.Join(descriptors(strconv.Itoa(p.cmd.Process.Pid)), " "), canary)
	conn := p.dial(t)
	frameworktest.Send(t, conn, "descriptors\n")
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	kinds := map[string]int{}
	for line := range strings.Lines(string(answer)) {
		_, target, _ := strings.Cut(strings.TrimSpace(line), " ")
		kinds[regexp.MustCompile(`:\[\d+\]$|^/proc/\d+`).ReplaceAllString(target, "")]++
	}
	delete(kinds, "/fd") // the directory that is being read
	for kind := range kinds {
		if strings.HasPrefix(kind, "/sys/fs/cgroup/") { // the runtime asks how many processors it may use
			delete(kinds, kind)
		}
	}
	require.Equal(t, map[string]int{
		"/dev/null": 1, "pipe": 2, "socket": 2, "anon_inode:[eventpoll]": 2, "anon_inode:[eventfd]": 1,
	}, kinds, string(answer))
	p.stop(t)
}

// What a smaller program cannot make is made by this one.
func TestOwnProgram(t *testing.T) {
	s := forkingServer(t, &framework.Forking{Command: &framework.Program{Path: "/bin/true"}})
	s.Class.OwnProgram = true
	frameworktest.Serve(t, s)
	require.Equal(t, "hello\n", ask(t, s, "echo hello\n"))
}

// A child's environment is an allow-list.
func TestChildEnvironmentIsAnAllowList(t *testing.T) {
	t.Setenv("SECRET_CANARY", "secret")
	t.Setenv("LC_ALL", "C")
	s := forkingServer(t, &framework.Forking{Command: &framework.Program{Path: os.Args[0], Env: []string{"GIVEN=yes"}}})
	frameworktest.Serve(t, s)
	answer := askAll(t, s, "environment\n")
	require.NotContains(t, answer, "secret")
	for line := range strings.Lines(answer) {
		require.Regexp(t, `^(PATH|HOME|TZ|LANG|LC_\w+|TMPDIR|GORACE|GOCOVERDIR|GOMAXPROCS|GIVEN)=`, line)
	}
	require.Contains(t, answer, "GIVEN=yes")
	require.Contains(t, answer, "LC_ALL=C")
}

// What a program is given takes the place of what it inherits.
func TestChildEnvironmentIsReplaced(t *testing.T) {
	t.Setenv("HOME", "/of/the/server")
	s := forkingServer(t, &framework.Forking{Command: &framework.Program{Path: os.Args[0], Env: []string{"HOME=/of/the/child"}}})
	frameworktest.Serve(t, s)
	answer := askAll(t, s, "environment\n")
	require.Contains(t, answer, "HOME=/of/the/child\n")
	require.NotContains(t, answer, "/of/the/server")
}

// A server whose workers could not open its class does not listen.
func TestClassIsCheckedInWorkers(t *testing.T) {
	t.Setenv("TZ", "here")
	for _, strategy := range []framework.Strategy{&framework.Forking{}, &framework.Preforking{Workers: 1}} {
		for program, want := range map[*framework.Program]string{
			{Env: []string{"TZ=elsewhere"}}:                   "open handler class: the zone is elsewhere",
			{Env: []string{"TZ=elsewhere"}, Path: os.Args[0]}: "open handler class: the zone is elsewhere",
			{}:                          "",
			{Path: os.Args[0]}:          "",
			{Directory: "/nonexistent"}: "no such file or directory",
		} {
			switch strategy := strategy.(type) {
			case *framework.Forking:
				strategy.Command = program
			case *framework.Preforking:
				strategy.Command = program
			}
			s := newServer["tcp"](t, class(t, local))
			s.Strategy = strategy
			err := s.Listen()
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want)
			}
			require.NoError(t, s.Close())
		}
	}
}

// What a child prints is a line of the server's log.
func TestChildPrints(t *testing.T) {
	s := forkingServer(t, &framework.Forking{})
	book := logOf(s)
	frameworktest.Serve(t, s)
	askAll(t, s, "print to whom it may concern \x1b[2J\n")
	require.Contains(t, book.Await(t, "to whom it may concern"), `\x1b[2J`)
}
