package framework

import (
	"errors"
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// FinishElsewhere is FinishRequest for a [Strategy] of another package that has its handlers elsewhere, such as on
// other machines: r passes the layers, serve has it served and waits for that in this goroutine, and r is closed.
// The client of a connection is sent the text of an [UnavailableError], or else the banner.
func (s *BaseServer) FinishElsewhere(r *Request, serve func() error) {
	s.conclude(r, func() error {
		if err := s.wrap(r); err != nil {
			return err
		}
		err := serve()
		if errors.As(err, new(*UnavailableError)) {
			s.sayUnavailable(r, err)
		}
		return err
	})
}

// Started records that r has begun to run elsewhere, see [BaseServer.FinishElsewhere].
func (r *Request) Started() { r.server.traceStarted(r, InWorkers, 0) }

// Moved records the number of bytes that were passed from the client of r to where it runs, and back.
func (r *Request) Moved(in, out int64) {
	if r.traced != nil {
		r.traced.in, r.traced.out = in, out
	}
}

// ParseAddress returns the address of a client that was accepted elsewhere, from the text of it: what is no address and
// port is the name of a Unix socket.
func ParseAddress(network, text string) net.Addr { return conn.ParseAddress(network, text) }
