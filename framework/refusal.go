package framework

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/limits"
)

// A Refusal is why a request is not served, see [Trace.Refused].
type Refusal string

// The reasons. The others are names of limits.
const (
	RefusedAccess        Refusal = limits.Access        // Limits.Access
	RefusedConnections   Refusal = limits.Connections   // Limits.Connections
	RefusedPerSource     Refusal = limits.PerSource     // Limits.PerSource
	RefusedRate          Refusal = limits.Rate          // Limits.Rate
	RefusedRatePerSource Refusal = limits.RatePerSource // Limits.RatePerSource
	RefusedVerify        Refusal = "verify"             // VerifyRequest
	RefusedPreamble      Refusal = "preamble"           // no preamble in time, or too many that wait for one
	RefusedUntrusted     Refusal = "untrusted"          // the peer may not send a preamble, and has to
	RefusedSilent        Refusal = "silent"             // too many wait under Forking without having said anything
	RefusedClosed        Refusal = limits.Closed        // the server stops
)

// Refusals are all of them, in an order of their own.
var Refusals = [...]Refusal{
	RefusedAccess, RefusedConnections, RefusedPerSource, RefusedRate, RefusedRatePerSource, RefusedVerify, RefusedPreamble, RefusedUntrusted, RefusedSilent, RefusedClosed,
}

// A RefusalError is the error of a [Preamble] or [Strategy] that has a reason of its own not to serve a request.
type RefusalError struct {
	Refusal Refusal
	Err     error
}

func (e *RefusalError) Error() string { return e.Err.Error() }
func (e *RefusalError) Unwrap() error { return e.Err }

// An UnavailableError is why nothing can serve a request, such as a plugin that has failed. The client of a
// connection is sent the text, or else the banner of the limits, before its connection is closed.
type UnavailableError struct {
	Text string // empty: the banner
	Err  error
}

func (e *UnavailableError) Error() string { return e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// sayUnavailable sends the client of r, which has ended, what an [UnavailableError] says.
func (s *BaseServer) sayUnavailable(r *Request) {
	var unavailable *UnavailableError
	if !errors.As(r.err, &unavailable) || s.isStopped() {
		return
	}
	switch { // the process that was to have the layers is not there
	case s.wrap(r) != nil:
	case unavailable.Text != "":
		r.say(unavailable.Text, time.Second)
	default:
		s.Limits.sendBanner(r)
	}
}

// refusePreamble refuses a request whose preamble could not be read.
func (s *BaseServer) refusePreamble(r *Request, err error) {
	why := RefusedPreamble
	if own := (*RefusalError)(nil); errors.As(err, &own) {
		why = own.Refusal
	}
	panicked := (*PanicError)(nil)
	switch err = fmt.Errorf("read preamble: %w", err); {
	case s.isStopped():
		why = RefusedClosed
	case errors.Is(err, io.EOF), errors.Is(conn.PeerError(err), ErrPeerGone): // as of a balancer that only looks whether it can connect
		r.Log().Debug("client refused: it left", "error", err)
	case s.HandleError != nil || errors.As(err, &panicked):
		s.report(r, err)
	default:
		s.reporter.Refused(r.Log(), err.Error())
	}
	s.refuse(r, why)
}

// notTaken ends a request that the strategy has not taken.
func (s *BaseServer) notTaken(r *Request, err error) {
	refusal := (*RefusalError)(nil)
	if !errors.As(err, &refusal) {
		s.fail(r, err)
		return
	}
	s.reporter.Refused(r.Log(), err.Error())
	s.life.Forget(r)
	s.refuse(r, refusal.Refusal)
	s.life.Uncount()
}

// refuse ends a request that is not served.
func (s *BaseServer) refuse(r *Request, why Refusal) {
	s.traceRefused(r, why)
	switch why {
	case RefusedAccess, RefusedConnections, RefusedPerSource, RefusedRate, RefusedRatePerSource:
		s.Limits.applied().LogRefused(s.log(), r.ClientAddress, string(why))
		if why != RefusedAccess {
			s.Limits.sendBanner(r)
		}
	}
	s.closeAside(r, false)
}

// sendBanner sends a client that is not served the banner, if there is one.
func (l *Limits) sendBanner(r *Request) {
	if l == nil {
		return
	}
	if banner := l.applied().Bounds().Banner; banner != "" {
		r.say(banner, 100*time.Millisecond)
	}
}

// say writes text to a connection, within a time, unless the client expects a handshake.
func (r *Request) say(text string, within time.Duration) {
	expected := len(r.layers) > 0 && r.isBare()
	if r.conn != nil && !expected {
		_ = r.conn.SetWriteDeadline(time.Now().Add(within))
		_, _ = r.conn.Write([]byte(text))
	}
}
