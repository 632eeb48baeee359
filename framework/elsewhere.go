package framework

import (
	"fmt"
	"net"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// An Executor finishes the requests of a class in another way than by a Handler of this
// process. It is used under strategies that do not run requests in workers of their own, and under
// [Forking] where the class Isolates.
type Executor interface {
	// Execute finishes r, which has passed the layers, and returns its error. It is called in the
	// request's goroutine; the server closes r afterwards. It is called again for an error that wraps EMFILE or ENFILE
	// where it has not called [Request.Started].
	Execute(r *Request) error
}

// A Client is the connection of a client that is copied elsewhere, and back. A write that takes longer than
// Timeouts.Write fails.
type Client interface {
	net.Conn
	// CloseWrite ends what the client is sent, where its connection has a way to.
	CloseWrite()
	// Ended returns how the reads have ended: nil if the client has ended what it sends.
	Ended() error
}

// FinishElsewhere is FinishRequest for a [Strategy] of another package that has its handlers elsewhere, such as on
// other machines: r, which is a connection, passes the layers, serve has it served and waits for that in this goroutine,
// and r is closed.
func (s *BaseServer) FinishElsewhere(r *Request, serve func(Client) error) {
	s.conclude(r, func() error {
		if err := s.wrap(r); err != nil { // else it has passed them
			return err
		}
		return serve(conn.NewClient(r.conn, s.timeouts().Write))
	})
}

// FinishWith is FinishRequest with h in place of a handler of the class. It is for a [Strategy] as that of FinishElsewhere,
// whose h has what it reads served, and writes the answer. r, which may be a datagram, has started when h calls Started.
func (s *BaseServer) FinishWith(r *Request, h Handler) {
	defer s.tearDown(r)
	rfile, wfile := s.setUp(r, func() Handler { return h })
	if r.handler != nil {
		r.err = h.Handle(rfile, wfile)
	}
}

// Socket has the descriptor of r's connection, for another process; nil: the connection has none, or its
// bytes pass through layers, or r is a datagram. Whatever that process does to the description, which it shares, blocks
// nothing of this one from here on.
func (r *Request) Socket() syscall.Conn {
	if !r.isBare() {
		return nil
	}
	socket, _ := r.accepted.(syscall.Conn)
	if socket != nil && r.shared == nil {
		r.shared = conn.Shared(r.accepted)
		r.conn = r.shared
	}
	return socket
}

// Payload is that of a datagram, until it is over.
func (r *Request) Payload() []byte { return r.packet.Data() }

// Answer sends the answer to a datagram. It is called at most once.
func (r *Request) Answer(p []byte) error {
	r.leave(r.server)
	return r.packet.Send(p)
}

// Started records that r has begun to run elsewhere, where abort ends it: in the process pid, or on another machine.
func (r *Request) Started(pid int, abort func()) {
	r.server.traceStarted(r, InWorkers, pid)
	r.abortable(abort)
}

// abortable has abort end r.
func (r *Request) abortable(abort func()) {
	r.scope.OnAbort(abort)
	r.server.life.Remember(r) // also a datagram
}

// Moved records the number of bytes that were passed from the client of r to where it runs, and back, where
// [Request.Conclude] does not; less than 0: nobody has counted them. Those of a datagram are known.
func (r *Request) Moved(in, out int64) {
	if r.traced != nil {
		r.traced.in, r.traced.out = in, out
	}
}

// WhenOver has tell called once, with how r has ended, before its connection is closed. It is for a [Transport] that has
// the requests of another server, which [Request.Conclude] tells the same.
func (r *Request) WhenOver(tell func(outcome []byte)) {
	r.early = true
	r.done = func(r *Request, err error) {
		tell(r.outcome(&handoff.Frame{Kind: handoff.Outcome, Flags: handoff.Count}, err).Append(nil))
	}
}

// conclude calls done, once.
func (r *Request) conclude(err error) {
	if done := r.done; done != nil {
		r.done = nil
		done(r, err)
	}
}

// outcome sets in f how r has ended.
func (r *Request) outcome(f *handoff.Frame, err error) *handoff.Frame {
	setError(f, err)
	if r.scope.StopAsked() {
		f.Flags |= handoff.Stop
	}
	if f.Flags&handoff.Count != 0 {
		f.In, f.Out = r.bytes()
	}
	return f
}

// Conclude does what the outcome of r, which ran elsewhere, asks for. It returns the error of the handler, and what
// was appended to the outcome.
func (r *Request) Conclude(outcome []byte) (appended []byte, err error) {
	f, err := handoff.Parse(outcome)
	if err == nil && f.Kind != handoff.Outcome {
		err = fmt.Errorf("frame of kind %d", f.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("read the outcome of a request: %w", err)
	}
	appended, f.Body = f.Body, nil
	return appended, r.concludeTask(&f)
}

// AddressText returns an address as text, for ParseAddress; empty for nil.
func AddressText(a net.Addr) string { return conn.AddressText(a) }

// ParseAddress returns the address of a client that was accepted elsewhere, from the text of it: what is no address and
// port is the name of a Unix socket.
func ParseAddress(network, text string) net.Addr { return conn.ParseAddress(network, text) }
