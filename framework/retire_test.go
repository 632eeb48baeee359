package framework_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// generation starts a server of a socket.
func generation(t *testing.T, socket *framework.Socket, strategy framework.Strategy) *framework.BaseServer {
	t.Helper()
	s := &framework.BaseServer{Class: class(t, act), Transport: socket.Transport(), Strategy: strategy}
	require.NoError(t, s.Listen())
	go func() {
		if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	return s
}

// Servers retire one after the other under load, each with a successor that serves already. No
// client is refused or cut off, and conversations go on in their generation.
func TestRetireUnderLoad(t *testing.T) {
	var order []framework.Strategy
	for range 3 {
		order = append(order, &framework.Threading{}, &framework.Forking{MaxRequests: 10}, &framework.Preforking{Workers: 2})
	}
	socket, err := framework.OpenSocket("tcp", "127.0.0.1:0", framework.SocketOptions{})
	require.NoError(t, err)
	s := generation(t, socket, &framework.Threading{})
	done := make(chan struct{})
	var served atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := exchange(socket.Addr()); err != nil {
					t.Errorf("after %d requests: %v", served.Load(), err)
					return
				}
				served.Add(1)
			}
		})
	}
	for _, strategy := range order {
		old := s
		talk := frameworktest.DialAddress(t, "tcp", socket.Addr().String())
		frameworktest.Send(t, talk, "hold\n")
		frameworktest.Expect(t, talk, "holding\n")
		s = generation(t, socket, strategy)
		retired := make(chan error, 1)
		go func() { retired <- old.Retire(context.Background()) }()
		reached := served.Load() + 20
		eventually(t, func() bool { return served.Load() > reached || t.Failed() }, "nobody is served")
		require.Empty(t, retired, "a conversation is under way")
		frameworktest.Send(t, talk, "still here\n")
		frameworktest.Expect(t, talk, "released still here\n")
		require.NoError(t, frameworktest.Await(t, retired))
	}
	close(done)
	clients.Wait()
	frameworktest.Shutdown(t, s)
	require.NoError(t, socket.Close())
	_, err = net.Dial("tcp", socket.Addr().String())
	require.Error(t, err, "the address is free")
}

func exchange(address net.Addr) error {
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "echo hello\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && string(answer) != "hello\n" {
		err = errors.New("answered " + string(answer))
	}
	return err
}

// The contexts of requests live while their server retires, and end when it stops.
func TestRetireKeepsContexts(t *testing.T) {
	contexts, release := make(chan context.Context, 1), make(chan struct{})
	s := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler {
		return &contextual{contexts: contexts, release: release}
	}})
	s.Strategy = &framework.Threading{}
	served := start(t, s)
	conn := frameworktest.Dial(t, s)
	ctx := frameworktest.Await(t, contexts)
	soon, cancel := context.WithCancel(context.Background())
	cancel()
	err := s.Retire(soon)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "retire: 1 request under way: ")
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	require.NoError(t, ctx.Err())
	s.Stop()
	frameworktest.Await(t, ctx.Done())
	close(release)
	frameworktest.Shutdown(t, s)
	frameworktest.ExpectEnd(t, conn)
}

type contextual struct {
	framework.StreamRequestHandler
	contexts chan context.Context
	release  chan struct{}
}

func (h *contextual) Handle(*bufio.Reader, io.Writer) error {
	h.contexts <- h.Context()
	<-h.release
	return nil
}

// Under preforking a worker that is told to retire lets its requests go on.
func TestRetireOfWorkersKeepsRequests(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	s.Strategy = &framework.Preforking{Workers: 1}
	served := start(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "context\n") // until its context is cancelled, or another line comes
	frameworktest.Expect(t, conn, "waiting\n")
	retired := make(chan error, 1)
	go func() { retired <- s.Retire(context.Background()) }()
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	eventually(t, func() bool { // the worker has closed its descriptor, too
		c, err := net.Dial("tcp", s.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	}, "the address is still served")
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, conn, "went\n")
	require.NoError(t, frameworktest.Await(t, retired))
}

// Once Retire has returned no worker takes another client, whether or not its requests are waited for.
func TestRetireAwaitsWorkers(t *testing.T) {
	socket, err := framework.OpenSocket("tcp", "127.0.0.1:0", framework.SocketOptions{})
	require.NoError(t, err)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range 3 {
		old := generation(t, socket, &framework.Preforking{Workers: 2})
		talk := frameworktest.DialAddress(t, "tcp", socket.Addr().String())
		frameworktest.Send(t, talk, "hold\n")
		frameworktest.Expect(t, talk, "holding\n")
		next := generation(t, socket, &framework.Threading{})
		require.ErrorIs(t, old.Retire(over), context.Canceled)
		for range 10 {
			conn := frameworktest.DialAddress(t, "tcp", socket.Addr().String())
			require.Equal(t, fmt.Sprintln(os.Getpid()), frameworktest.Ask(t, conn, "pid\n"))
		}
		frameworktest.Send(t, talk, "go\n")
		frameworktest.Expect(t, talk, "released go\n")
		frameworktest.Shutdown(t, old)
		frameworktest.Shutdown(t, next)
	}
	require.NoError(t, socket.Close())
}
