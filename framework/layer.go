package framework

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// A Layer is what a connection passes before a handler sees it, such as TLS.
type Layer interface {
	// Wrap performs a handshake on c and returns the connection to use in its place, which
	// owns c. It runs in the request's goroutine and returns when ctx is done; reads and
	// writes of c fail then. The server closes c on an error.
	Wrap(ctx context.Context, c net.Conn) (net.Conn, error)
}

// wrap passes the connection of r through the layers, outermost first. Where handlers run in
// workers this process does it, and the layers stay here: a relay connects them to the worker.
func (s *BaseServer) wrap(r *Request) error {
	if len(s.Layers) == 0 || r.conn == nil {
		return nil
	}
	ctx, stop := s.handshake(r, s.Timeouts.Handshake)
	defer stop()
	wrapped := r.accepted
	for _, layer := range s.Layers {
		next, err := layer.Wrap(ctx, wrapped)
		if err != nil {
			return fmt.Errorf("handshake: %w", s.handshakeError(ctx, err))
		}
		wrapped = next
		r.setConn(wrapped)
	}
	return nil
}

// handshake bounds what happens on a connection before a handler has it: by a context and, as
// that does not end a read, by a deadline.
func (s *BaseServer) handshake(r *Request, timeout time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancel(s.context())
	if timeout > 0 {
		ctx, cancel = context.WithTimeout(s.context(), timeout)
	}
	c := r.accepted
	interrupt := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	return ctx, func() {
		if interrupt() {
			_ = c.SetDeadline(time.Time{})
		}
		cancel()
	}
}

// handshakeError says that a timeout has passed, or that the server stops.
func (s *BaseServer) handshakeError(ctx context.Context, err error) error {
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return fmt.Errorf("timeouts.handshake has passed: %w", os.ErrDeadlineExceeded)
	case context.Canceled:
		return ErrServerClosed
	}
	return err
}
