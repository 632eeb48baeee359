package framework

import (
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// Limits bound the requests that are served at once. The zero value bounds nothing.
type Limits struct {
	// Connections is how many requests may be under way; 0: no limit. Further clients wait in
	// the system's queue. Where several listeners share the limits and find the last
	// room at once, a client of each is accepted, and waits unread.
	Connections int `json:"connections"`
	// PerSource is how many of them may come from one IPv4 address or one /64 of IPv6; 0:
	// no limit. It is at most half of Connections, so that one source cannot take all. More are
	// always refused, as waiting would hold up everybody else.
	PerSource int `json:"per_source"`
	// Refuse closes what comes beyond Connections instead of letting it wait.
	Refuse bool `json:"refuse"`
	// Banner is sent to a client that is refused, or that no process of a plugin can serve.
	Banner string `json:"banner"`
	// Answers is how many bytes a second one source, as for PerSource or a name of a Unix
	// socket, gets in answers to datagrams beyond what it sent; 0: no limit. More are dropped:
	// datagrams with a forged source would have the server flood it.
	Answers int `json:"answers,omitempty"`

	total   slots.Semaphore
	sources slots.Sources
	refused ratelog.Limiter
	answers slots.Rates
	dropped ratelog.Limiter
}

// admit reports whether r may be served, after waiting for room if need be.
func (l *Limits) admit(s *BaseServer, r *Request) bool {
	if l == nil || l.Connections == 0 && l.PerSource == 0 {
		return true
	}
	if r.conn == nil && s.strategy.Place() == InLoop {
		return true // there is never another one
	}
	from := l.sources.Enter(r.ClientAddress, l.perSource(), 0)
	if from == nil {
		l.refuse(s, r, RefusedPerSource, l.perSource())
		return false
	}
	if l.Connections > 0 {
		wait := s.Done()
		if l.Refuse {
			wait = closed
		}
		if !l.total.Acquire(l.Connections, wait) {
			l.sources.Leave(from)
			if s.isStopped() {
				s.traceRefused(r, RefusedClosed)
			} else {
				l.refuse(s, r, RefusedConnections, l.Connections)
			}
			return false
		}
	}
	r.slot.Store(from)
	return true
}

// perSource returns the limit of one source, at most half of Connections.
func (l *Limits) perSource() int {
	if l.Connections > 1 {
		return min(l.PerSource, l.Connections/2)
	}
	return l.PerSource
}

// admitAnswer reports whether an answer to client may have that many bytes more than what it
// sent.
func (l *Limits) admitAnswer(s *BaseServer, client net.Addr, bytes int) bool {
	if l == nil || l.Answers == 0 || bytes <= 0 || l.answers.Allow(client, bytes, l.Answers, conn.Now()) {
		return true
	}
	if more, ok := l.dropped.Allow(1); ok {
		s.log().Warn("answer dropped: limit reached", ratelog.More(more, "client", conn.AddressText(client), "limit", "answers", "value", l.Answers, "next", "raise limits.answers")...)
	}
	return false
}

// awaitRoom waits until one more may come in, or until s takes no more. Until then it stays
// in the system's queue, from where another process that serves the same socket may take it.
func (l *Limits) awaitRoom(s *BaseServer) {
	if l == nil || l.Connections == 0 || l.Refuse {
		return
	}
	if l.total.Acquire(l.Connections, s.life.Retired()) {
		l.total.Release()
	}
}

func (l *Limits) release(from *slots.Source) {
	if l.Connections > 0 {
		l.total.Release()
	}
	l.sources.Leave(from)
}

// divide returns the part of the limits that each of several workers applies.
func (l *Limits) divide(workers int) *Limits {
	if l == nil {
		return nil
	}
	return &Limits{
		Connections: (l.Connections + workers - 1) / workers, PerSource: l.PerSource, Banner: l.Banner, Answers: l.Answers,
	}
}

// refuse sends the banner and logs the limit.
func (l *Limits) refuse(s *BaseServer, r *Request, limit Refusal, value int) {
	s.traceRefused(r, limit)
	if more, ok := l.refused.Allow(1); ok {
		s.log().Warn("client refused: limit reached", ratelog.More(more, "client", r.client(), "limit", string(limit), "value", value, "next", "raise limits."+l.raise(limit))...)
	}
	l.sendBanner(r)
}

// sendBanner sends a client that is not served the banner, if there is one.
func (l *Limits) sendBanner(r *Request) {
	if l == nil || l.Banner == "" || r.conn == nil {
		return
	}
	_ = r.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, _ = r.conn.Write([]byte(l.Banner))
}

// raise returns the limit to raise where limit refuses a client.
func (l *Limits) raise(limit Refusal) string {
	if limit == RefusedPerSource && l.perSource() < l.PerSource {
		return string(RefusedConnections)
	}
	return string(limit)
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
