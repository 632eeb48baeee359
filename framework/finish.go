package framework

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// FinishRequest runs the handler of r to its end, in this process or where the class
// runs its handlers, reports its error and closes r. Strategies call it once for every
// request that they took, from the goroutine that the handler is to run in.
//
// While a handler waits for its client the stack holds what called it, for every connection
// there is: what comes before Handle has returned by then, and what comes after is deferred.
func (s *BaseServer) FinishRequest(r *Request) {
	if s.Class.Remote != nil {
		s.finishRemotely(r)
		return
	}
	defer s.tearDown(r)
	rfile, wfile := s.setUp(r)
	if r.handler != nil {
		r.err = r.handler.Handle(rfile, wfile)
	}
}

// conclude does all that follows what finishes r.
func (s *BaseServer) conclude(r *Request, finish func() error) {
	defer s.over(r) // deferred, as finish may call runtime.Goexit
	r.err = protect(finish)
	s.report(r, r.err)
}

// setUp makes the handler and its files. Where it fails there is no handler to be finished.
func (s *BaseServer) setUp(r *Request) (rfile *bufio.Reader, wfile io.Writer) {
	var h Handler
	if err := protect(func() error { h = s.Class.New(); return nil }); err != nil {
		r.err = fmt.Errorf("make handler: %w", err)
		return nil, nil
	}
	r.files = r.newFiles(s)
	rfile, wfile = r.files.open()
	if err := protect(func() error { return h.Setup(r) }); err != nil {
		r.err = fmt.Errorf("set up handler: %w", err)
		return nil, nil
	}
	r.handler = h
	return rfile, wfile
}

// tearDown does all that follows Handle, however it ended: by a return, a panic, or
// runtime.Goexit. It is what is deferred, as only that can recover.
func (s *BaseServer) tearDown(r *Request) {
	if p := recover(); p != nil {
		r.err = newPanicError(p)
	}
	defer s.over(r)
	if r.handler != nil {
		if err := protect(r.handler.Finish); r.err == nil && err != nil {
			r.err = fmt.Errorf("finish handler: %w", err)
		}
	}
	if r.packet != nil {
		r.leave(s)
	}
	if r.files != nil {
		if err := r.files.close(); r.err == nil {
			r.err = err
		}
	}
	s.report(r, r.err)
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
	if s.isOverdue(err) && !s.isCut() {
		if more, ok := s.overdue.Allow(1); ok {
			r.Log().Info("request ended: it took too long", ratelog.More(more, "error", err)...)
		}
		return
	}
	if routine(err) || s.isCut() { // what a stop cuts off is told by who stops
		r.Log().Debug("request ended early", "error", err)
		return
	}
	more, ok := s.failures.Allow(maxFailures)
	if !ok {
		return
	}
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		r.Log().Error("handler panicked", ratelog.More(more, "error", err, "stack", strings.ReplaceAll(string(panicked.Stack), "\t", "    "))...)
		return
	}
	r.Log().Error("request failed", ratelog.More(more, "error", err)...)
}

// isOverdue says whether the time of the whole request was over. Clients are cut off by that
// in the middle of what they do, so it is told where other timeouts are routine. Errors cross
// a process as text.
func (s *BaseServer) isOverdue(err error) bool {
	return s.Timeouts.Request > 0 && errors.Is(err, os.ErrDeadlineExceeded) &&
		strings.Contains(err.Error(), (&timeoutError{name: "request", after: s.Timeouts.Request}).Error())
}

// over ends a request that was tracked. Under Synchronous the client's unread bytes are not
// waited for in the loop.
func (s *BaseServer) over(r *Request) {
	if s.inLoop() {
		s.closeAside(r, (*BaseServer).ended)
		return
	}
	s.ShutdownRequest(r)
	s.ended(r)
}

func (s *BaseServer) ended(r *Request) {
	r.end(s)
	s.untrack(r)
}

// turnAway ends a request that is not served.
func (s *BaseServer) turnAway(r *Request) {
	s.closeAside(r, func(s *BaseServer, r *Request) { r.end(s) })
}

// closeAside is ShutdownRequest for the loop, which must not wait for a client: where that
// takes a moment it happens beside it, and where many do so at once they are closed right
// away. The loop calls end for every datagram, so it is no closure.
func (s *BaseServer) closeAside(r *Request, end func(*BaseServer, *Request)) {
	if r.conn == nil || !hasUnread(r.conn) {
		s.CloseRequest(r)
		end(s, r)
		return
	}
	select {
	case s.leaving <- struct{}{}:
		go func() {
			s.ShutdownRequest(r)
			end(s, r)
			<-s.leaving
		}()
	default:
		s.CloseRequest(r)
		end(s, r)
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
