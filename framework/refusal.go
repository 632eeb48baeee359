package framework

import (
	"time"

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Refusal is why a request is not served, see [Trace.Refused].
type Refusal string

// The reasons. The others are names of limits.
const (
	RefusedConnections Refusal = "connections" // Limits.Connections
	RefusedPerSource   Refusal = "per_source"  // Limits.PerSource
	RefusedVerify      Refusal = "verify"      // VerifyRequest
	RefusedPreamble    Refusal = "preamble"    // no preamble in time, or too many that wait for one
	RefusedClosed      Refusal = "closed"      // the server stops
)

// refuse ends a request that is not served.
func (s *BaseServer) refuse(r *Request, why Refusal) {
	s.traceRefused(r, why)
	if why == RefusedConnections || why == RefusedPerSource {
		s.Limits.logRefused(s, r, why)
		s.Limits.sendBanner(r)
	}
	s.closeAside(r, false)
}

func (l *Limits) logRefused(s *BaseServer, r *Request, why Refusal) {
	more, ok := l.refused.Allow(1)
	if !ok {
		return
	}
	now := l.now()
	value, raise := now.Connections, RefusedConnections
	if why == RefusedPerSource {
		if value = now.perSource(); value == now.PerSource { // Connections does not lower it
			raise = RefusedPerSource
		}
	}
	s.log().Warn("client refused: limit reached", ratelog.More(more, "client", r.client(), "limit", string(why), "value", value, "next", "raise limits."+string(raise))...)
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
