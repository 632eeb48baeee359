package framework

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// FinishRequest runs the handler of r, or has the class's executor finish r, reports the error and
// closes r. Strategies call it once for every request that they took, in the goroutine that the
// handler is to run in.
//
// Keep the stack shallow here: every idle connection pays for the frames above Handle. What
// precedes Handle has returned by then, and what follows is deferred.
func (s *BaseServer) FinishRequest(r *Request) {
	if s.Class.Executor != nil {
		s.conclude(r, func() error { return s.Class.Executor.Execute(r) })
		return
	}
	defer s.tearDown(r)
	s.traceStarted(r, s.strategy.Place(), 0)
	rfile, wfile := s.setUp(r, s.Class.New)
	if r.handler != nil {
		r.err = r.handler.Handle(rfile, wfile)
	}
}

// conclude has r pass the layers, and does all that follows what finishes it elsewhere.
func (s *BaseServer) conclude(r *Request, finish func() error) {
	defer s.over(r) // deferred, as finish may call runtime.Goexit
	r.err = protect(func() error {
		if s.workerLayer == nil { // else that is for the worker
			if err := s.wrap(r); err != nil {
				return err
			}
		}
		return s.retry(r, finish)
	})
	s.sayUnavailable(r)
	s.report(r, r.err)
}

// fail ends a request that nothing finishes.
func (s *BaseServer) fail(r *Request, err error) {
	defer s.over(r)
	r.err = err
	s.report(r, err)
}

// setUp makes the handler and its files. On an error there is no handler to be finished.
func (s *BaseServer) setUp(r *Request, newHandler func() Handler) (rfile *bufio.Reader, wfile io.Writer) {
	if r.err = s.wrap(r); r.err != nil {
		return nil, nil
	}
	var h Handler
	if err := protect(func() error { h = newHandler(); return nil }); err != nil {
		r.err = fmt.Errorf("make handler: %w", err)
		return nil, nil
	}
	r.files = r.newFiles(s)
	rfile, wfile = r.files.Open()
	if err := protect(func() error { return h.Setup(r) }); err != nil {
		r.err = fmt.Errorf("set up handler: %w", err)
		return nil, nil
	}
	r.handler = h
	s.watch(r)
	return rfile, wfile
}

// watch logs a handler that goes on for longer than its request may: nothing but the end of its
// process can end it.
func (s *BaseServer) watch(r *Request) {
	request := s.timeouts().Request
	if request == 0 || s.killsLate {
		return
	}
	after := request + worker.Overtime
	r.watch = life.NewWatch(after, func(stack string) {
		s.reporter.Endless(r.Log(), after, stack, "mend the handler; only the end of process "+strconv.Itoa(os.Getpid())+" ends it. Under forking it would be killed")
	})
}

// tearDown does all that follows Handle, however it ended: by a return, a panic, or Goexit.
func (s *BaseServer) tearDown(r *Request) {
	if p := recover(); p != nil {
		r.err = &PanicError{Value: p, Stack: debug.Stack()}
	}
	defer s.over(r)
	if r.watch != nil {
		r.watch.Stop()
	}
	if r.handler != nil {
		if err := protect(r.handler.Finish); r.err == nil && err != nil {
			r.err = fmt.Errorf("finish handler: %w", err)
		}
	}
	if r.packet != nil {
		r.leave(s)
	}
	if r.files != nil {
		if err := r.files.Close(); r.err == nil {
			r.err = err
		}
	}
	s.sayUnavailable(r)
	s.report(r, r.err)
}

// failed reports whether err is more than the regular end of what the client sends.
func failed(err error) bool { return err != nil && !errors.Is(err, io.EOF) }

// report passes the error of a failed request on to HandleError.
func (s *BaseServer) report(r *Request, err error) {
	if failed(err) {
		s.handleError(r, err)
	}
}

// handleError logs an error where there is no HandleError, or that panics.
func (s *BaseServer) handleError(r *Request, err error) {
	if s.HandleError != nil {
		failed := protect(func() error { s.HandleError(r, err); return nil })
		if failed == nil {
			return
		}
		err = fmt.Errorf("handle error: %w", failed)
	}
	if handshake := (*HandshakeError)(nil); errors.As(err, &handshake) && !worker.Routine(err) {
		s.reporter.Handshake(s.log(), r.Log(), handshake.Err)
		return
	}
	var stack []byte
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		stack = panicked.Stack
	}
	s.reporter.Log(r.Log(), err, s.timeouts().Request, stack, s.isCut())
}

// over ends a request that was served. In the loop the client's unread bytes are not waited for.
func (s *BaseServer) over(r *Request) {
	if r.early {
		r.conclude(r.err)
	}
	if s.strategy.Place() == InLoop {
		s.closeAside(r, true)
		return
	}
	s.ShutdownRequest(r)
	s.ended(r, true)
}

// ended records that r is over. served is false if it was refused.
func (s *BaseServer) ended(r *Request, served bool) {
	r.end(s)
	if !served {
		return
	}
	s.traceEnded(r)
	if r.conn != nil || r.scope.Abortable() {
		s.life.Forget(r)
	}
	s.life.Uncount()
}

// closeAside is ShutdownRequest for the loop, which must not wait for a client: where that
// takes a moment it happens beside it, and where many do so at once they are closed right away.
func (s *BaseServer) closeAside(r *Request, served bool) {
	if r.accepted == nil || !conn.HasUnread(r.accepted) || !s.leaving.Try(64) {
		s.CloseRequest(r)
		s.ended(r, served)
		return
	}
	s.life.Enter(r) // the server is not over before it is closed, also where it was refused
	go func() {
		defer s.life.Leave()
		defer s.leaving.Release()
		s.ShutdownRequest(r)
		s.life.Forget(r)
		s.ended(r, served)
	}()
}

// ShutdownRequest closes a connection so that the client can read all that was written, also where
// it has sent what the handler has not read. It is for the process that ran the handler; one that
// has only handed the connection over calls CloseRequest, as shutdown(2) acts on what both share.
func (s *BaseServer) ShutdownRequest(r *Request) {
	if r.conn != nil && conn.HasUnread(r.accepted) {
		if failed(r.err) {
			conn.Fail(r.conn) // what follows ends the output
		}
		conn.DiscardUnread(r.conn)
	}
	s.CloseRequest(r)
}

// CloseRequest closes this process's descriptor of the request. Where a layer can tell the client that
// all was written, it does so unless the request has failed. Close of TLS does so in any case.
func (s *BaseServer) CloseRequest(r *Request) {
	if r.conn != nil {
		if len(r.layers) > 0 && !r.isBare() && !failed(r.err) {
			conn.EndWrites(r.conn)
		}
		_ = r.conn.Close()
	}
}
