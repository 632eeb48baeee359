package framework

import (
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"time"
)

// FinishRequest runs the handler of r to its end, in this process or where the class
// runs its handlers, reports its error and closes r. Strategies call it once for every
// request that they took, from the goroutine that the handler is to run in.
func (s *BaseServer) FinishRequest(r *Request) {
	if s.Class.Remote != nil {
		s.conclude(r, func() error { return s.finishRemotely(r) })
		return
	}
	s.conclude(r, func() error { return s.runHandler(r) })
}

// conclude does all that follows what finishes r.
func (s *BaseServer) conclude(r *Request, finish func() error) {
	var err error
	defer func() { s.over(r, err) }() // deferred, as a handler may call runtime.Goexit
	err = protect(finish)
	s.report(r, err)
}

func (s *BaseServer) runHandler(r *Request) (err error) {
	var h Handler
	if err := protect(func() error { h = s.Class.New(); return nil }); err != nil {
		return fmt.Errorf("make handler: %w", err)
	}
	r.files = r.newFiles(s)
	defer func() {
		if failed := r.files.close(); err == nil {
			err = failed
		}
	}()
	rfile, wfile := r.files.open()
	if err := protect(func() error { return h.Setup(r) }); err != nil {
		return fmt.Errorf("set up handler: %w", err)
	}
	defer func() {
		if failed := protect(h.Finish); err == nil && failed != nil {
			err = fmt.Errorf("finish handler: %w", failed)
		}
	}()
	return protect(func() error { return h.Handle(rfile, wfile) })
}

func newPanicError(value any) error { return &PanicError{Value: value, Stack: debug.Stack()} }

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
	if routine(err) || s.isCut() { // what a stop cuts off is told by who stops
		r.Log().Debug("request ended early", "error", err)
		return
	}
	more, ok := s.failures.allow()
	if !ok {
		return
	}
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		r.Log().Error("handler panicked", withMore(more, "error", err, "stack", strings.ReplaceAll(string(panicked.Stack), "\t", "    "))...)
		return
	}
	r.Log().Error("request failed", withMore(more, "error", err)...)
}

// over ends a request that was tracked. Under Synchronous the client's unread bytes are not
// waited for in the loop.
func (s *BaseServer) over(r *Request, err error) {
	end := func() {
		r.end(s, err)
		s.untrack(r)
	}
	if s.inLoop() {
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

// ShutdownRequest ends a connection so that the client reads to the end what was written,
// also where it has sent what nobody has read, and closes it. It is for the process that ran the handler; one that has
// only passed the connection on calls CloseRequest, as shutdown(2) acts on what both share.
func (s *BaseServer) ShutdownRequest(r *Request) {
	if r.conn != nil && hasUnread(r.conn) {
		discardUnread(r.conn)
	}
	s.CloseRequest(r)
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
