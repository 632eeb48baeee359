package framework

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Refusal is why a request is not served, see [Trace.Refused].
type Refusal string

// The reasons. The others are names of limits.
const (
	RefusedAccess        Refusal = "access"          // Limits.Access
	RefusedConnections   Refusal = "connections"     // Limits.Connections
	RefusedPerSource     Refusal = "per_source"      // Limits.PerSource
	RefusedRate          Refusal = "rate"            // Limits.Rate
	RefusedRatePerSource Refusal = "rate_per_source" // Limits.RatePerSource
	RefusedVerify        Refusal = "verify"          // VerifyRequest
	RefusedPreamble      Refusal = "preamble"        // no preamble in time, or too many that wait for one
	RefusedUntrusted     Refusal = "untrusted"       // the peer may not send a preamble, and has to
	RefusedClosed        Refusal = "closed"          // the server stops
)

// A RefusalError is the error of a [BaseServer.Preamble] that has a reason of its own.
type RefusalError struct {
	Refusal Refusal
	Err     error
}

func (e *RefusalError) Error() string { return e.Err.Error() }
func (e *RefusalError) Unwrap() error { return e.Err }

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

// refuse ends a request that is not served.
func (s *BaseServer) refuse(r *Request, why Refusal) {
	s.traceRefused(r, why)
	switch why {
	case RefusedAccess:
		s.Limits.logDenied(s, r)
	case RefusedConnections, RefusedPerSource, RefusedRate, RefusedRatePerSource:
		s.Limits.logRefused(s, r, why)
		s.Limits.sendBanner(r)
	}
	s.closeAside(r, false)
}

// mayLog reports whether a refusal may be logged, which one a second may for each reason.
func (l *Limits) mayLog(why Refusal) (more int, ok bool) {
	limiter, known := l.refused.Load(why)
	if !known {
		limiter, _ = l.refused.LoadOrStore(why, new(ratelog.Limiter))
	}
	return limiter.(*ratelog.Limiter).Allow(1)
}

func (l *Limits) logDenied(s *BaseServer, r *Request) {
	if more, ok := l.mayLog(RefusedAccess); ok {
		s.log().Warn("client refused: access does not let it in", ratelog.More(more, "client", r.client())...)
	}
}

func (l *Limits) logRefused(s *BaseServer, r *Request, why Refusal) {
	more, ok := l.mayLog(why)
	if !ok {
		return
	}
	value, raise := l.now().value(why)
	s.log().Warn("client refused: limit reached", ratelog.More(more, "client", r.client(), "limit", string(why), "value", value, "next", "raise limits."+string(raise))...)
}

// value returns the value of a limit, and the limit to be raised if that is too low.
func (l *Limits) value(why Refusal) (value any, raise Refusal) {
	switch why {
	case RefusedRate:
		return l.Rate.String(), why
	case RefusedRatePerSource:
		return l.RatePerSource.String(), why
	case RefusedPerSource:
		if most := l.perSource(); most == l.PerSource {
			return most, why
		}
		return l.perSource(), RefusedConnections // which lowers it
	}
	return l.Connections, why
}

// sendBanner sends a client that is not served the banner, if there is one.
func (l *Limits) sendBanner(r *Request) {
	if l != nil && l.now().Banner != "" {
		r.say(l.now().Banner, 100*time.Millisecond)
	}
}

// say writes text to a connection, within a time, unless the client expects a handshake.
func (r *Request) say(text string, within time.Duration) {
	expected := len(r.server.Layers) > 0 && r.conn == r.accepted
	if r.conn != nil && !expected {
		_ = r.conn.SetWriteDeadline(time.Now().Add(within))
		_, _ = r.conn.Write([]byte(text))
	}
}
