package framework_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// flags are the status flags of a description, which all that share it see.
func flags(t *testing.T, fd int) int {
	t.Helper()
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
	require.Zero(t, errno)
	return int(flags)
}

// listeningAt finds this process's socket that listens at a port.
func listeningAt(t *testing.T, port int) int {
	t.Helper()
	for fd := range 1000 {
		if listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || listens == 0 {
			continue
		}
		if at, err := syscall.Getsockname(fd); err == nil {
			if at, ok := at.(*syscall.SockaddrInet4); ok && at.Port == port {
				return fd
			}
		}
	}
	require.FailNow(t, "nothing listens")
	return 0
}

// Passing a connection on leaves it non-blocking, and the listener as well. The
// server's own accept would otherwise hang after Close.
func TestHandOverKeepsNonblocking(t *testing.T) {
	s := forkingServer(t, &framework.Forking{})
	dups := make(chan int, 1)
	s.VerifyRequest = func(r *framework.Request) bool {
		raw, err := r.Conn().(syscall.Conn).SyscallConn()
		if err != nil {
			return false
		}
		return raw.Control(func(fd uintptr) {
			dup, _ := syscall.Dup(int(fd))
			dups <- dup
		}) == nil
	}
	frameworktest.Serve(t, s)
	conn := hold(t, s)
	shared := frameworktest.Await(t, dups)
	defer syscall.Close(shared)
	require.NotZero(t, flags(t, shared)&syscall.O_NONBLOCK)
	require.NotZero(t, flags(t, listeningAt(t, s.Addr().(*net.TCPAddr).Port))&syscall.O_NONBLOCK)
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "released go\n")
}

// A child out of descriptors says so, with the remedy, and goes on: only the
// connection that it had no room for is lost.
func TestChildOutOfDescriptors(t *testing.T) {
	s := forkingServer(t, &framework.Forking{MaxRequests: 10, MaxChildren: 1})
	errs := errorsOf(s)
	frameworktest.Serve(t, s)
	require.Equal(t, "limited\n", ask(t, s, "files 3\n"))
	for range 3 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "echo hello\n")
		frameworktest.ExpectEnd(t, conn)
		require.ErrorContains(t, frameworktest.Await(t, errs), "raise the limit (ulimit -n)")
	}
}

// Connections that a stopped worker has no room for hold up neither the loop nor
// Shutdown.
func TestStoppedWorker(t *testing.T) {
	channel, theirs, err := handoff.Sockets()
	require.NoError(t, err)
	worker, err := framework.NewWorker(channel, 0, hclog.NewNullLogger(), func() error { return nil }, func() { theirs.Close() })
	require.NoError(t, err)
	s := newServer["tcp"](t, &framework.HandlerClass{
		Executor: framework.InWorker(func(context.Context) (*framework.Worker, error) { return worker, nil }),
	})
	s.Strategy = &framework.Threading{}
	served := start(t, s)
	const more = 400 // than a channel holds
	var conns []net.Conn
	for range more {
		conns = append(conns, frameworktest.Dial(t, s))
	}
	eventually(t, func() bool { return s.Active() == more }, "the loop is held up")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	for _, conn := range conns {
		frameworktest.ExpectEnd(t, conn)
	}
	frameworktest.Shutdown(t, s)
}

// A process is given no layer whose description it may not understand.
func TestProcessOfAnotherVersionHasNoLayers(t *testing.T) {
	for hello, has := range map[string]bool{`{}`: false, `{"layers": 1}`: false, `{"layers": 2}`: true, `{"layers": 3}`: false} {
		channel, theirs, err := handoff.Sockets()
		require.NoError(t, err)
		w, err := framework.NewWorker(channel, 0, hclog.NewNullLogger(), func() error { return nil }, func() {})
		require.NoError(t, err)
		_, err = theirs.Write((&handoff.Frame{Kind: handoff.Hello, Body: []byte(hello)}).Append(nil))
		require.NoError(t, err)
		require.NoError(t, w.Ready(frameworktest.Patience))
		require.Equal(t, has, w.HasLayers(), hello)
		require.NoError(t, theirs.Close())
		<-w.Gone()
	}
}

// A child that is stopped holds up its own requests and nothing else: the loop goes
// on, and Shutdown returns at its deadline.
func TestStoppedChild(t *testing.T) {
	f := &framework.Forking{Spares: 1, MaxRequests: 10}
	s := forkingServer(t, f)
	served := start(t, s)
	stopped := hold(t, s)
	for _, pid := range f.ActiveChildren() { // the idle one too, which gets the next request
		require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	}
	var waiting []net.Conn
	for range 4 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "echo hello\n")
		waiting = append(waiting, conn)
	}
	frameworktest.Expect(t, waiting[3], "hello\n")
	frameworktest.Send(t, stopped, "go\n")
	requireSilent(t, stopped)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	frameworktest.ExpectEnd(t, stopped)
	frameworktest.Shutdown(t, s)
	require.Empty(t, f.ActiveChildren())
}
