package framework

import (
	"errors"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// room returns the error of a request that could not be got now: one that is to run in a process needs descriptors besides
// that of its connection, and clients wait for them in the backlog. A server that has none takes one in any case: it may be what
// there is room for, and an idle server has nothing to report. With a preamble it would take all that have not sent it.
func (s *BaseServer) room() error {
	switch {
	case s.strategy.Place() != InWorkers && s.Class.Executor == nil:
		return nil
	case s.Active() == 0 && s.Preamble == nil:
		return nil
	}
	return process.Room()
}

// retry calls finish until it has the descriptors that it needs, and returns its error: others may have taken them since r was
// accepted. Nothing of r has been read before it has begun. An [UnavailableError] is returned at once, whatever its reason.
func (s *BaseServer) retry(r *Request, finish func() error) error {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		err := finish()
		lacking := errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		if !lacking || r.scope.Abortable() || errors.As(err, new(*UnavailableError)) {
			return err
		}
		s.reporter.Waits(r.Log(), err, socket.Remedy(err))
		select {
		case <-time.After(delay):
		case <-s.Done():
			return ErrServerClosed
		}
	}
}
