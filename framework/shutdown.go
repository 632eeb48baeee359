package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	if s.open {
		_ = s.Transport.Close()
	}
	s.cancel()
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

// drain gives back what the server holds when its last request is over. The loop must
// have left before the requests are waited for: until then there may be one more.
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
		if err := s.Class.users.leave(s.Class.Close); err != nil {
			s.log().Error("could not close the handler class", "error", err)
		}
	}
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

// Active is how many requests are being served.
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

func (s *BaseServer) isCut() bool {
	select {
	case <-s.cut:
		return true
	default:
		return false
	}
}

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

func (s *BaseServer) untrack(r *Request) {
	if r.conn != nil || r.abort != nil {
		s.mu.Lock()
		delete(s.active, r)
		s.mu.Unlock()
	}
	s.count.Add(-1)
	s.requests.Done()
}

// ShutdownRequest ends a connection so that the client reads to the end what was written,
// also where it has sent what nobody has read, and closes it. It is for the process that ran the handler; one that has
// only passed the connection on calls CloseRequest, as shutdown(2) acts on what both share.
func (s *BaseServer) ShutdownRequest(r *Request) {
	if r.conn != nil && hasUnread(r.conn) {
		discardUnread(r.conn)
	}
	s.CloseRequest(r)
}

// over ends a request that was tracked. Under Synchronous the client's unread bytes are not
// waited for in the loop.
func (s *BaseServer) over(r *Request, err error) {
	end := func() {
		r.end(s, err)
		s.untrack(r)
	}
	if _, inLoop := s.strategy.(*Synchronous); inLoop {
		s.closeAside(r, end)
		return
	}
	s.ShutdownRequest(r)
	end()
}

// turnAway ends a request that is not served.
func (s *BaseServer) turnAway(r *Request) {
	s.closeAside(r, func() { r.end(s, nil) })
}

// closeAside is ShutdownRequest for the loop, which must not wait for a client: where that
// takes a moment it happens beside it, and where many do so at once they are closed right
// away.
func (s *BaseServer) closeAside(r *Request, end func()) {
	if r.conn == nil || !hasUnread(r.conn) {
		s.CloseRequest(r)
		end()
		return
	}
	select {
	case s.leaving <- struct{}{}:
		go func() {
			s.ShutdownRequest(r)
			end()
			<-s.leaving
		}()
	default:
		s.CloseRequest(r)
		end()
	}
}

// CloseRequest closes this process's descriptor of the request.
func (s *BaseServer) CloseRequest(r *Request) {
	if r.conn != nil {
		_ = r.conn.Close()
	}
}

// discardUnread reads what the client has sent and nobody has read: closing with
// unread bytes resets the connection, and the client could lose the answer. It takes
// half a second and 256 KiB at the most.
func discardUnread(conn net.Conn) {
	const limit = 256 << 10
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	buf := make([]byte, 4096)
	for total := 0; total < limit; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}

// report passes an error on to HandleError.
func (s *BaseServer) report(r *Request, err error) {
	switch {
	case err == nil || isEnd(err):
	case s.HandleError != nil:
		s.handleError(r, err)
	default:
		s.logError(r, err)
	}
}

// handleError calls HandleError, whose own panic ends nothing.
func (s *BaseServer) handleError(r *Request, err error) {
	if failed := protect(func() error { s.HandleError(r, err); return nil }); failed != nil {
		s.logError(r, fmt.Errorf("handle error: %w", failed))
	}
}

// logError is what HandleError does where it is not set. Clients that can make a handler
// fail can not fill a disk with that.
func (s *BaseServer) logError(r *Request, err error) {
	if routine(err) {
		r.Log().Debug("request ended early", "error", err)
		return
	}
	more, ok := s.failures.allow()
	if !ok {
		return
	}
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		r.Log().Error("handler panicked", "error", err, "stack", string(panicked.Stack), "more", more)
		return
	}
	r.Log().Error("request failed", "error", err, "more", more)
}
