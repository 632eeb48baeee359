package framework

import (
	"net/netip"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/limits"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// Timeouts bound a request. Zero means no bound.
type Timeouts struct {
	Idle      time.Duration `json:"idle"`      // no byte in either direction
	Read      time.Duration `json:"read"`      // one wait for the client; of a line until it is whole, at most rfile's buffer
	Write     time.Duration `json:"write"`     // one write to a client that does not read
	Request   time.Duration `json:"request"`   // the whole request
	Drain     time.Duration `json:"drain"`     // what a worker takes for the requests it holds when its server has gone
	Handshake time.Duration `json:"handshake"` // the preamble and the layers of a connection; of the preamble PreambleTimeout if zero

	// IdleIsDefault means that Idle does not bound requests of a class that is [HandlerClass.Quiet].
	IdleIsDefault bool `json:"idle_is_default"`
}

// ofStream is t for package conn, which has a type with the same fields.
func (t *Timeouts) ofStream() *conn.Timeouts { return (*conn.Timeouts)(t) }

// of returns the timeouts of requests of a class.
func (t Timeouts) of(class *HandlerClass) Timeouts {
	if class.Quiet && t.IdleIsDefault {
		t.Idle = 0
	}
	return t
}

// ChangeTimeouts replaces Timeouts for the requests to come, also while the server serves. Those
// in flight keep theirs, and so do workers and plugins, which were started with them.
func (s *BaseServer) ChangeTimeouts(t Timeouts) {
	t = t.of(s.Class)
	s.changed.Store(&t)
}

// timeouts returns those of a request that begins now.
func (s *BaseServer) timeouts() *Timeouts {
	if changed := s.changed.Load(); changed != nil {
		return changed
	}
	return &s.Timeouts
}

// Limits bound the requests that are served: at once, by time, and by source. The zero value
// bounds nothing. Once a server uses them only Change changes them.
type Limits struct {
	// Access limits which clients are admitted.
	Access Access `json:"-"`
	// Connections is the number of requests that may be in flight; 0: no limit. Further clients
	// wait in the system's backlog. Where several listeners share the limits and find the last
	// room at once, a client of each is accepted, and waits unread.
	Connections int `json:"connections"`
	// PerSource is the number of them that may come from one [Source]; 0: no limit. It is at most
	// half of Connections, so that one source cannot take all. More are always refused: waiting
	// would hold up all other clients.
	PerSource int `json:"per_source"`
	// Rate bounds how often requests come; further clients wait as for Connections.
	Rate Rate `json:"-"`
	// RatePerSource bounds how often they come from one Source. More are always refused, and so is
	// all that the source asks for in the Penalty that follows.
	RatePerSource Rate          `json:"-"`
	Penalty       time.Duration `json:"-"`
	// Refuse closes what comes beyond Connections and Rate instead of letting it wait.
	Refuse bool `json:"refuse"`
	// Banner is sent to a client that is refused for one of these limits, or that no process of a
	// plugin can serve.
	Banner string `json:"banner"`
	// Answers is the number of bytes a second that one source gets in answers to datagrams beyond
	// what it sent; 0: no limit. More are dropped: datagrams with a forged source would have the
	// server flood it. Unless it is 0, answers to equal datagrams are bounded, too: two servers that were
	// made to answer each other would not stop.
	Answers int `json:"answers,omitempty"`

	once    sync.Once // sets the bounds of limiter
	limiter limits.Limiter
}

// Access limits which clients are admitted, by their addresses. The zero value admits all. Clients
// without an address, as at a Unix socket, are always admitted; the socket's mode is for them.
type Access struct {
	Allow []netip.Prefix // of clients that may come in, and no others; empty: all
	Deny  []netip.Prefix // of clients that may not, also where Allow has them
}

// A Rate is N requests in the time Per. A burst of N is within the rate. The zero Rate bounds nothing.
type Rate struct {
	N   int           `json:"n"`
	Per time.Duration `json:"per"`
}

// String returns the rate as in "200/s" or "20/10s".
func (r Rate) String() string { return slots.Rate(r).String() }

// A Source is what limits tell clients apart by: an IPv4 address, a /64 of IPv6, a machine of VSOCK, or at
// a Unix socket the user, or the name of the client's socket. Sources can be compared.
type Source slots.Key

// String returns "192.0.2.1", "2001:db8::/64", "cid 3", "uid 1000", or the name of a socket; empty: nothing
// tells the client apart.
func (s Source) String() string { return slots.Key(s).String() }

// Source returns where r comes from, until it is over.
func (r *Request) Source() Source { return Source(r.key()) }

func (r *Request) key() slots.Key { return conn.SourceOf(r.ClientAddress, r.accepted) }

// Change replaces the bounds by those of to, also for servers that run. Requests in flight count
// against them, unless nothing bounded them when they came. Workers that apply limits themselves,
// see [Preforking], keep those that they were started with.
func (l *Limits) Change(to *Limits) { l.applied().Set(to.bounds()) }

// applied returns what applies the limits.
func (l *Limits) applied() *limits.Limiter {
	l.once.Do(func() { l.limiter.Set(l.bounds()) })
	return &l.limiter
}

func (l *Limits) bounds() limits.Bounds {
	return limits.Bounds{
		Allow: l.Access.Allow, Deny: l.Access.Deny, Connections: l.Connections, PerSource: l.PerSource,
		Rate: slots.Rate(l.Rate), RatePerSource: slots.Rate(l.RatePerSource), Penalty: l.Penalty,
		Refuse: l.Refuse, Banner: l.Banner, Answers: l.Answers,
	}
}

// awaitRoom waits until there is room for a request, or s takes no more.
func (l *Limits) awaitRoom(s *BaseServer) {
	if l != nil {
		l.applied().AwaitRoom(s.life.Retired())
	}
}

// admit returns why r is not served, after waiting for room if need be; empty: it is.
func (l *Limits) admit(s *BaseServer, r *Request) Refusal {
	if l == nil {
		return ""
	}
	alone := r.conn == nil && s.strategy.Place() == InLoop // there is never another datagram in the loop
	held, why := l.applied().Admit(r.ClientAddress, r.key, !alone, s.Done())
	if held != nil {
		r.slot.Store(held)
	}
	return Refusal(why)
}

// mayAnswer reports whether d may have an answer that is so many bytes longer than it is.
func (s *BaseServer) mayAnswer(d *conn.Datagram, longer int) bool {
	return s.Limits == nil || s.Limits.applied().MayAnswer(s.log(), d, longer)
}

// divide returns the part of the limits that each of several workers applies.
func (l *Limits) divide(workers int) *Limits {
	if l == nil {
		return nil
	}
	b := l.applied().Bounds()
	return &Limits{
		Connections: (b.Connections + workers - 1) / workers, PerSource: b.PerSource, Banner: b.Banner, Answers: b.Answers,
	}
}
