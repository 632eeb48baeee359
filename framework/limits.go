package framework

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// Limits bound the requests that are served at once. The zero value bounds nothing.
type Limits struct {
	// Connections is how many requests may be under way; 0: no limit. When they are, the others
	// wait in the system's queue. Where several listeners share the limits and find the last
	// room at once, a client of each is accepted, and waits unread.
	Connections int `json:"connections"`
	// PerSource is how many of them may come from one IPv4 address or one /64 of IPv6; 0:
	// no limit. More are always refused, as waiting would hold up everybody else.
	PerSource int `json:"per_source"`
	// Refuse closes what comes beyond Connections instead of letting it wait.
	Refuse bool `json:"refuse"`
	// Banner is sent to a client that is refused.
	Banner string `json:"banner"`

	total   slots.Semaphore
	mu      sync.Mutex
	sources map[netip.Prefix]*source
	refused ratelog.Limiter
}

// source is what one request holds.
type source struct {
	prefix netip.Prefix
	count  int
}

// admit reports whether r may be served, after waiting for room if need be.
func (l *Limits) admit(s *BaseServer, r *Request) bool {
	if l == nil || l.Connections == 0 && l.PerSource == 0 {
		return true
	}
	if r.conn == nil && s.strategy.Place() == InLoop {
		return true // there is never another one
	}
	from := l.enter(sourceOf(r.ClientAddress))
	if from == nil {
		l.refuse(s, r, RefusedPerSource, l.PerSource)
		return false
	}
	if l.Connections > 0 {
		wait := s.Done()
		if l.Refuse {
			wait = closed
		}
		if !l.total.Acquire(l.Connections, wait) {
			l.leave(from)
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

// awaitRoom waits until one more may come in, or until s takes no more. Until then it stays
// in the system's queue, from where another process that serves the same socket may take it.
func (l *Limits) awaitRoom(s *BaseServer) {
	if l == nil || l.Connections == 0 || l.Refuse {
		return
	}
	if l.total.Acquire(l.Connections, s.retired) {
		l.total.Release()
	}
}

func (l *Limits) release(from *source) {
	if l.Connections > 0 {
		l.total.Release()
	}
	l.leave(from)
}

func (l *Limits) enter(prefix netip.Prefix) *source {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sources == nil {
		l.sources = map[netip.Prefix]*source{}
	}
	from := l.sources[prefix]
	if from == nil {
		from = &source{prefix: prefix}
		l.sources[prefix] = from
	}
	if l.PerSource > 0 && prefix.IsValid() && from.count >= l.PerSource {
		return nil
	}
	from.count++
	return from
}

func (l *Limits) leave(from *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.count--; from.count == 0 {
		delete(l.sources, from.prefix)
	}
}

// divide returns the part of the limits that each of several workers applies.
func (l *Limits) divide(workers int) *Limits {
	if l == nil {
		return nil
	}
	return &Limits{
		Connections: (l.Connections + workers - 1) / workers, PerSource: l.PerSource, Banner: l.Banner,
	}
}

// refuse sends the banner and logs the limit.
func (l *Limits) refuse(s *BaseServer, r *Request, limit Refusal, value int) {
	s.traceRefused(r, limit)
	if more, ok := l.refused.Allow(1); ok {
		s.log().Warn("client refused: limit reached", ratelog.More(more, "client", r.client(), "limit", string(limit), "value", value, "next", "raise limits."+string(limit))...)
	}
	if l.Banner != "" && r.conn != nil {
		_ = r.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = r.conn.Write([]byte(l.Banner))
	}
}

// sourceOf returns what a request counts against; invalid for Unix sockets.
func sourceOf(a net.Addr) netip.Prefix {
	var ip netip.Addr
	switch a := a.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		ip = a.AddrPort().Addr().Unmap()
	default:
		return netip.Prefix{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.WithZone("").Prefix(bits)
	return prefix
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
