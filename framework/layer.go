package framework

import (
	"context"
	"fmt"
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A Layer is what a connection passes before a handler sees it, such as TLS.
type Layer interface {
	// Wrap performs a handshake on c and returns the connection to use in its place, which owns c.
	// It runs in the request's goroutine. When ctx is done reads and writes of c fail. The server
	// closes c on an error.
	Wrap(ctx context.Context, c net.Conn) (net.Conn, error)
}

// wrap passes the connection of r through the layers, outermost first. Where handlers run in
// workers this process does it, and the layers stay here: a relay connects them to the worker.
func (s *BaseServer) wrap(r *Request) error {
	if len(s.Layers) == 0 || r.conn == nil {
		return nil
	}
	err := conn.Handshake(s.context(), r.accepted, s.timeouts().Handshake, func(ctx context.Context) error {
		for _, layer := range s.Layers {
			wrapped, err := layer.Wrap(ctx, r.conn)
			if err != nil {
				return err
			}
			r.mu.Lock()
			r.conn = wrapped
			r.mu.Unlock()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("handshake: %w", conn.PeerError(err))
	}
	return nil
}
