package framework_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Shutdown before the server serves: it then never does.
func TestShutdownBeforeServing(t *testing.T) {
	s := newServer["tcp"](t, class(t, echo))
	frameworktest.Shutdown(t, s)
	require.ErrorIs(t, s.ServeForever(), framework.ErrServerClosed)
	require.ErrorIs(t, s.HandleRequest(), framework.ErrServerClosed)
	require.ErrorIs(t, s.Listen(), framework.ErrServerClosed)
	require.Nil(t, s.Addr())
}

// Twice, at once, and after the loop has ended.
func TestShutdownTwice(t *testing.T) {
	s := newServer["tcp"](t, class(t, echo))
	served := start(t, s)
	both := make(chan error, 2)
	for range 2 {
		go func() { both <- s.Shutdown(context.Background()) }()
	}
	require.NoError(t, frameworktest.Await(t, both))
	require.NoError(t, frameworktest.Await(t, both))
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	frameworktest.Shutdown(t, s)
	require.NoError(t, s.Close())
}

// From a handler, which ends in its own time.
func TestStopFromHandler(t *testing.T) {
	for network := range newServer {
		underEach(t, newStrategy, network, act, func(t *testing.T, s *framework.BaseServer) {
			served := start(t, s)
			require.Equal(t, "stopping\n", ask(t, s, "stop\n"))
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
			frameworktest.Shutdown(t, s)
		})
	}
}

// OnStop takes the place of Stop, as for a block of several servers.
func TestOnStop(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	asked := make(chan struct{}, 1)
	s.OnStop = func() { asked <- struct{}{} }
	frameworktest.Serve(t, s)
	require.Equal(t, "stopping\n", ask(t, s, "stop\n"))
	frameworktest.Await(t, asked)
	require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
}

// Nothing is served after Stop, also what was in the queue already.
func TestStopServesNothingMore(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	served := start(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	queued := frameworktest.Dial(t, s)
	frameworktest.Send(t, queued, "echo late\n")
	s.Stop()
	frameworktest.Send(t, conn, "go\n")
	require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	frameworktest.ExpectEnd(t, queued)
	frameworktest.Shutdown(t, s)
}

// Clients are waited for until the deadline and then cut off.
func TestShutdownDeadline(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		served := start(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "hold\n")
		frameworktest.Expect(t, conn, "holding\n")
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
		frameworktest.ExpectEnd(t, conn)
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
		frameworktest.Shutdown(t, s) // nothing is left to be waited for
	})
}

// Contexts are cancelled at once, and the handler has time to say goodbye.
func TestShutdownCancelsContexts(t *testing.T) {
	underEach(t, newStrategy, "tcp", act, func(t *testing.T, s *framework.BaseServer) {
		served := start(t, s)
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "wait\n")
		frameworktest.Expect(t, conn, "waiting\n")
		frameworktest.Shutdown(t, s)
		frameworktest.Expect(t, conn, "cancelled\n")
		frameworktest.ExpectEnd(t, conn)
		require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
	})
}

// The context of a request that is over is cancelled, also for who asks late.
func TestContextAfterTheRequest(t *testing.T) {
	requests := make(chan *framework.Request, 1)
	s := newServer["tcp"](t, &framework.HandlerClass{New: func() framework.Handler { return &keeper{kept: requests} }})
	s.Strategy = &framework.Threading{}
	frameworktest.Serve(t, s)
	frameworktest.ExpectEnd(t, frameworktest.Dial(t, s))
	frameworktest.Await(t, frameworktest.Await(t, requests).Context().Done())
}

type keeper struct {
	framework.BaseRequestHandler
	kept chan *framework.Request
}

func (h *keeper) Handle(*bufio.Reader, io.Writer) error {
	h.kept <- h.Request
	return nil
}

// Only one loop runs at a time.
func TestServeTwice(t *testing.T) {
	s := newServer["tcp"](t, class(t, act))
	frameworktest.Serve(t, s)
	require.Equal(t, "alive\n", ask(t, s, "echo alive\n"))
	require.ErrorContains(t, s.ServeForever(), "serving already")
	require.ErrorContains(t, s.HandleRequest(), "serving already")
}

// HandleRequest serves one request, with or without a bound on the wait.
func TestHandleRequest(t *testing.T) {
	for network := range newServer {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := newServer[network](t, class(t, echo))
			require.NoError(t, s.Listen())
			timeouts := 0
			s.HandleTimeout = func() { timeouts++ }
			s.Timeout = 10 * time.Millisecond
			require.NoError(t, s.HandleRequest())
			require.Equal(t, 1, timeouts)

			s.Timeout = frameworktest.Patience
			handled := make(chan error, 1)
			go func() { handled <- s.HandleRequest() }()
			require.Equal(t, "hello\n", ask(t, s, "hello\n"))
			require.NoError(t, frameworktest.Await(t, handled))
			require.Equal(t, 1, timeouts)
			frameworktest.Shutdown(t, s)
			require.ErrorIs(t, s.HandleRequest(), framework.ErrServerClosed)
		})
	}
}

// A deadline of HandleRequest does not outlive it.
func TestServeForeverAfterHandleRequest(t *testing.T) {
	for network := range newServer {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			s := newServer[network](t, class(t, echo))
			require.NoError(t, s.Listen())
			s.Timeout = time.Millisecond
			require.NoError(t, s.HandleRequest()) // returns when the deadline has passed
			frameworktest.Serve(t, s)
			require.Equal(t, "hello\n", ask(t, s, "hello\n"))
		})
	}
}

// Stop ends HandleRequest, whatever the moment.
func TestStopHandleRequest(t *testing.T) {
	for network := range newServer {
		for range 20 {
			s := newServer[network](t, class(t, echo))
			require.NoError(t, s.Listen())
			s.Timeout = frameworktest.Patience
			handled := make(chan error, 1)
			go func() { handled <- s.HandleRequest() }()
			s.Stop()
			require.ErrorIs(t, frameworktest.Await(t, handled), framework.ErrServerClosed)
			frameworktest.Shutdown(t, s)
		}
	}
}

// ServiceActions runs after each request and twice a second, never at once with itself.
func TestServiceActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := newFakeTransport()
		var running, calls atomic.Int64
		s := &framework.BaseServer{
			Transport: transport, Class: class(t, echo),
			ServiceActions: func() {
				require.EqualValues(t, 1, running.Add(1))
				calls.Add(1)
				running.Add(-1)
			},
		}
		served := start(t, s)
		time.Sleep(5*time.Second + time.Millisecond)
		require.EqualValues(t, 10, calls.Load())
		server, client := net.Pipe()
		transport.requests <- framework.NewStreamRequest("tcp", server)
		frameworktest.Send(t, client, "hello\n")
		frameworktest.Expect(t, client, "hello\n")
		synctest.Wait()
		require.EqualValues(t, 11, calls.Load())
		s.Stop()
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
		time.Sleep(time.Minute)
		require.EqualValues(t, 11, calls.Load())
		require.NoError(t, client.Close())
	})
}

// A panic in VerifyRequest refuses the request and nothing more.
func TestVerifyRequestPanics(t *testing.T) {
	s := newServer["tcp"](t, class(t, echo))
	errs := errorsOf(s)
	var calls atomic.Int64
	s.VerifyRequest = func(r *framework.Request) bool {
		if calls.Add(1) == 1 {
			panic(fmt.Sprint("no ", r.Network))
		}
		return true
	}
	frameworktest.Serve(t, s)
	conn := frameworktest.Dial(t, s)
	frameworktest.ExpectEnd(t, conn)
	var panicked *framework.PanicError
	require.ErrorAs(t, frameworktest.Await(t, errs), &panicked)
	require.Equal(t, "no tcp", panicked.Value)
	require.Equal(t, "hello\n", ask(t, s, "hello\n"))
}

// A client that is refused does not hold up the loop, whatever it sends: the loop goes on
// while 40 of them stay.
func TestRefusedClientDoesNotHoldUp(t *testing.T) {
	s := newServer["tcp"](t, class(t, echo))
	clients := &stayingClients{s.Transport, make(chan struct{})}
	defer close(clients.leave)
	s.Transport = clients
	var refuse atomic.Bool
	refuse.Store(true)
	s.VerifyRequest = func(*framework.Request) bool { return !refuse.Load() }
	require.NoError(t, s.Listen())
	var stubborn []net.Conn // they have sent something and stay
	for range 40 {
		conn := frameworktest.Dial(t, s)
		frameworktest.Send(t, conn, "unread")
		stubborn = append(stubborn, conn)
	}
	frameworktest.Serve(t, s)
	for _, conn := range stubborn {
		frameworktest.ExpectEnd(t, conn)
	}
	refuse.Store(false)
	require.Equal(t, "hello\n", ask(t, s, "hello\n"))
}

// A server is not over before the connection of a client that it has refused is closed, whoever has refused it.
func TestRefusedClientIsClosedBeforeTheEnd(t *testing.T) {
	for name, strategy := range map[string]framework.Strategy{"by the loop": &framework.Threading{}, "by the strategy": &refusing{}} {
		t.Run(name, func(t *testing.T) {
			s := newServer["tcp"](t, class(t, echo))
			clients := &stayingClients{s.Transport, make(chan struct{})}
			s.Transport, s.Strategy = clients, strategy
			s.VerifyRequest = func(*framework.Request) bool { return name != "by the loop" }
			require.NoError(t, s.Listen())
			conn := frameworktest.Dial(t, s)
			frameworktest.Send(t, conn, "unread")
			served := start(t, s)
			frameworktest.ExpectEnd(t, conn)
			soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, s.Retire(soon), context.DeadlineExceeded) // the client stays
			require.NoError(t, conn.Close())
			close(clients.leave)
			require.NoError(t, s.Retire(t.Context()))
			require.ErrorIs(t, frameworktest.Await(t, served), framework.ErrServerClosed)
		})
	}
}

// refusing is a strategy that takes no requests.
type refusing struct{ framework.Threading }

func (*refusing) ProcessRequest(*framework.BaseServer, *framework.Request) error {
	return &framework.RefusalError{Refusal: "busy", Err: errors.New("it is busy")}
}

// Several servers share a strategy and a class, which is closed with the last of them.
func TestSharedStrategyAndClass(t *testing.T) {
	for name, strategy := range newStrategy {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var closed atomic.Int64
			c := class(t, act)
			c.Close = func() error { closed.Add(1); return errors.New("could not") }
			shared := strategy()
			var servers []*framework.BaseServer
			var served []<-chan error
			for _, network := range []string{"tcp", "udp", "unix"} {
				s := newServer[network](t, c)
				s.Strategy = shared
				servers, served = append(servers, s), append(served, start(t, s))
			}
			for i, s := range servers {
				for _, other := range servers[i:] {
					require.Equal(t, "hello\n", ask(t, other, "echo hello\n"))
				}
				require.Zero(t, closed.Load())
				frameworktest.Shutdown(t, s)
				require.ErrorIs(t, frameworktest.Await(t, served[i]), framework.ErrServerClosed)
			}
			require.EqualValues(t, 1, closed.Load())
		})
	}
}

// Synchronous is one request at a time over all the servers that share it.
func TestSharedSynchronous(t *testing.T) {
	shared := &framework.Synchronous{}
	one, two := newServer["tcp"](t, class(t, act)), newServer["unix"](t, class(t, act))
	one.Strategy, two.Strategy = shared, shared
	frameworktest.Serve(t, one)
	frameworktest.Serve(t, two)
	conn := frameworktest.Dial(t, one)
	frameworktest.Send(t, conn, "hold\n")
	frameworktest.Expect(t, conn, "holding\n")
	waiting := frameworktest.Dial(t, two)
	frameworktest.Send(t, waiting, "echo hello\n")
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := waiting.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, waiting.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
	frameworktest.Send(t, conn, "go\n")
	frameworktest.Expect(t, waiting, "hello\n")
}

// A handler class that cannot serve is refused before anything is open.
func TestListenRefuses(t *testing.T) {
	streamOnly := &framework.HandlerClass{New: func() framework.Handler { return &direct{} }}
	for problem, s := range map[string]*framework.BaseServer{
		"has no handler class": {Transport: newFakeTransport()},
		"has no transport":     {Class: class(t, echo)},
		"cannot serve udp":     newServer["udp"](t, streamOnly),
		"call framework.ServeWorker": func() *framework.BaseServer {
			s := newServer["tcp"](t, streamOnly) // made by hand: a child can not make it
			s.Strategy = &framework.Forking{}
			return s
		}(),
	} {
		if problem == "call framework.ServeWorker" {
			problem = "given to ServeWorker"
		}
		require.ErrorContains(t, s.Listen(), problem)
	}
}
