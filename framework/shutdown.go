package framework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Stop closes the transport, ends the loop and cancels the contexts of requests, which run to their
// end. It does not wait, so that a handler may call it. It is socketserver's shutdown, with
// server_close and without its deadlocks.
func (s *BaseServer) Stop() {
	s.initialise()
	s.life.Stop(s.drained)
}

// Retire closes the transport and waits until the requests in flight are over, which go on
// undisturbed: their contexts live. Where another server has a transport of the [Socket] that one
// gets the next client. When ctx is done first Retire returns an error that wraps that of ctx and
// nothing else changes; Shutdown may follow. Workers that accept for themselves are waited for in any
// case until they have closed the socket, but for a second or two at most where one has a processor and does not answer.
func (s *BaseServer) Retire(ctx context.Context) error {
	s.initialise()
	s.life.Retire(s.drained)
	s.takers.Wait()
	select {
	case <-s.life.Finished():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("retire: %s under way: %w", text.Counted(s.Active(), "request"), ctx.Err())
	}
}

// stopServer does what a handler's StopServer asks for.
func (s *BaseServer) stopServer() {
	if s.OnStop == nil {
		s.Stop()
	} else {
		s.OnStop()
	}
}

// drained releases what the server holds when its last request is over.
func (s *BaseServer) drained(opened bool) {
	if !opened {
		return
	}
	s.strategy.Close(s)
	if err := s.Class.users.Release(s.Class.Close); err != nil {
		s.log().Error("could not close the handler class", "error", err)
	}
}

// Shutdown stops the server and waits until its requests are over and its processes have gone. When
// ctx is done first it closes their connections, kills their processes and returns an error that
// wraps that of ctx. It may be called often, from anywhere and before the server serves; from a
// handler it would wait for that handler, which calls Stop instead.
// block_on_close of socketserver is the choice of ctx; without waiting it is Stop.
// A process that this one is starting meanwhile has a copy of the socket until it runs its program, about a
// millisecond: to listen at the same TCP or UDP address at once may be refused with EADDRINUSE.
func (s *BaseServer) Shutdown(ctx context.Context) error {
	s.Stop()
	select {
	case <-s.life.Finished():
		return nil
	case <-ctx.Done():
	}
	cut := s.Active()
	s.life.Cut()
	// Handlers notice at their next read or write. One that never does cannot be ended.
	select {
	case <-s.life.Finished():
		if s.killed.Load() { // how many requests those had is not known here
			return fmt.Errorf("shutdown: workers were ended before they were done: %w", ctx.Err())
		}
		if cut == 0 {
			return nil
		}
	case <-time.After(time.Second):
		if n := s.Active(); n > 0 {
			s.log().Warn("a handler does not end though its connection is closed", "requests", n)
		}
	}
	return fmt.Errorf("shutdown: %s cut off: %w", text.Counted(cut, "request"), ctx.Err())
}

// Close stops the server at once: what still runs is cut off.
func (s *BaseServer) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Active returns the number of requests that are being served.
func (s *BaseServer) Active() int {
	s.initialise()
	return s.life.Active()
}

func (s *BaseServer) isStopped() bool { return life.Closed(s.life.Stopped()) }
func (s *BaseServer) isCut() bool     { return life.Closed(s.life.Cutting()) }
