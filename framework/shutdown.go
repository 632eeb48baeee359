package framework

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stop makes the server stop: it closes the transport, ends the loop and cancels the
// contexts of requests. It does not wait, so that a handler may call it; what runs is
// let run. It is socketserver's shutdown, with server_close and without its deadlocks.
func (s *BaseServer) Stop() {
	s.initialise()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped() {
		return
	}
	close(s.stopped)
	s.cancel()
	s.retireLocked()
}

// Retire makes the server take no more requests and waits until those under way are over,
// which go on undisturbed: their contexts live. The transport is closed; where another server
// has a duplicate of its socket that one gets the next client. When ctx is done first Retire
// returns an error that wraps that of ctx and nothing else changes; Shutdown may follow.
func (s *BaseServer) Retire(ctx context.Context) error {
	s.initialise()
	s.mu.Lock()
	s.retireLocked()
	s.mu.Unlock()
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("retire: %d requests are under way: %w", s.Active(), ctx.Err())
	}
}

func (s *BaseServer) retireLocked() {
	if isClosed(s.retired) {
		return
	}
	close(s.retired)
	if s.open {
		_ = s.Transport.Close()
	}
	go s.drain()
}

// stopServer does what a handler's StopServer asks for.
func (s *BaseServer) stopServer() {
	if s.OnStop != nil {
		s.OnStop()
		return
	}
	s.Stop()
}

// drain releases what the server holds when its last request is over. The loop must have
// left before the requests are waited for: until then there may be one more.
func (s *BaseServer) drain() {
	s.mu.Lock()
	loop, open := s.loop, s.open
	s.mu.Unlock()
	if loop != nil {
		<-loop
	}
	s.requests.Wait()
	if open {
		s.strategy.Close(s)
		if err := s.Class.users.Release(s.Class.Close); err != nil {
			s.log().Error("could not close the handler class", "error", err)
		}
	}
	s.cancel()
	close(s.finished)
}

// Shutdown stops the server and waits until its requests are over and its processes
// have gone. When ctx is done first it closes their connections, kills their processes
// and returns an error that wraps that of ctx. It may be called often, from anywhere
// and before the server serves; from a handler it would wait for that handler, which
// calls Stop instead.
//
// block_on_close of socketserver is the choice of ctx; without waiting it is Stop.
func (s *BaseServer) Shutdown(ctx context.Context) error {
	s.Stop()
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
	}
	cut := s.Active()
	s.killRequests()
	// Handlers notice at their next read or write. One that never does cannot be
	// ended within this process, so the wait for it is short.
	select {
	case <-s.finished:
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
	return fmt.Errorf("shutdown: %d requests cut off: %w", cut, ctx.Err())
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
	return int(s.count.Load())
}

// killRequests ends by force what runs and what a strategy is about to start.
func (s *BaseServer) killRequests() {
	s.mu.Lock()
	if !s.isCut() {
		close(s.cut)
	}
	requests := make([]*Request, 0, len(s.active))
	for r := range s.active {
		requests = append(requests, r)
	}
	s.mu.Unlock()
	for _, r := range requests {
		r.kill()
	}
}

func (s *BaseServer) isCut() bool { return isClosed(s.cut) }

func (s *BaseServer) track(r *Request) {
	s.requests.Add(1)
	s.count.Add(1)
	if r.conn != nil { // a datagram has nothing to be closed
		s.remember(r)
	}
}

// remember keeps r as one that may have to be ended by force.
func (s *BaseServer) remember(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[r] = struct{}{}
}

func (s *BaseServer) forget(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, r)
}

func (s *BaseServer) untrack(r *Request) {
	if r.conn != nil || r.abort != nil {
		s.forget(r)
	}
	s.count.Add(-1)
	s.requests.Done()
}
