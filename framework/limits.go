package framework

import (
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// Timeouts bound a request. Zero means no bound.
type Timeouts struct {
	Idle      time.Duration `json:"idle"`      // no byte in either direction
	Read      time.Duration `json:"read"`      // one wait for the client; of a line until it is whole, at most rfile's buffer
	Write     time.Duration `json:"write"`     // one write to a client that does not read
	Request   time.Duration `json:"request"`   // the whole request
	Drain     time.Duration `json:"drain"`     // what a worker takes for the requests it holds when its server has gone
	Handshake time.Duration `json:"handshake"` // the preamble and the layers of a connection; of the preamble 5 s if zero

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
	// server flood it. Unless it is 0, answers to equal datagrams are bounded, too, see equalAnswers.
	Answers int `json:"answers,omitempty"`

	changed atomic.Pointer[Limits] // by Change; nil: nothing has
	made    sync.Once
	door    gate // of Access, once made

	total   slots.Semaphore
	sources slots.Sources
	rate    slots.Bucket
	rates   slots.Rates
	refused sync.Map // of *ratelog.Limiter, by Refusal
	answers slots.Rates
	equal   slots.Rates // answers to equal datagrams
	dropped ratelog.Limiter
}

// Change replaces the bounds by those of to, also for servers that run. Requests in flight count
// against them, unless nothing bounded them when they came. Workers that apply limits themselves,
// see [Preforking], keep those that they were started with.
func (l *Limits) Change(to *Limits) {
	l.changed.Store(to)
	l.total.Resize(to.room())
}

// now returns the bounds.
func (l *Limits) now() *Limits {
	if changed := l.changed.Load(); changed != nil {
		return changed
	}
	return l
}

// room is the number of requests that may be in flight.
func (l *Limits) room() int {
	if l.Connections == 0 {
		return math.MaxInt
	}
	return l.Connections
}

// needAll reports whether workers that accept for themselves cannot apply the limits, as they are
// about the clients of all of them.
func (l *Limits) needAll() bool {
	if l == nil {
		return false
	}
	l = l.now()
	return l.Refuse || len(l.Access.Allow) > 0 || len(l.Access.Deny) > 0 || l.Rate.N > 0 || l.RatePerSource.N > 0
}

// awaitRoom waits until there is room, or s takes no more. Until then a client stays in the backlog,
// from where another process that serves the same socket may take it.
func (l *Limits) awaitRoom(s *BaseServer) {
	if l == nil {
		return
	}
	now := l.now()
	if now.Refuse {
		return
	}
	if now.Connections > 0 && l.total.Acquire(now.Connections, s.life.Retired()) {
		l.total.Release()
	}
	l.awaitRate(now, s.life.Retired())
}

// admit returns why r is not served, after waiting for room if need be; empty: it is. What is about
// the source comes first, so that one that is refused takes nothing from the others.
func (l *Limits) admit(s *BaseServer, r *Request) Refusal {
	if l == nil {
		return ""
	}
	now := l.now()
	if !now.gate().admits(r) {
		return RefusedAccess
	}
	var from slots.Key
	if now.PerSource > 0 || now.RatePerSource.N > 0 {
		from = r.key()
	}
	why := l.admitRate(now, from)
	if why == "" {
		why = l.admitOne(now, s, r, from)
	}
	if why == "" && !l.takeRate(now, s.Done()) {
		r.leave(s)
		why = RefusedRate
	}
	if why != "" && s.isStopped() {
		return RefusedClosed
	}
	return why
}

// admitOne is admit for the number of requests in flight.
func (l *Limits) admitOne(now *Limits, s *BaseServer, r *Request, key slots.Key) Refusal {
	if r.conn == nil && s.strategy.Place() == InLoop { // in the loop there is never another datagram
		return ""
	}
	if now.Connections == 0 && now.PerSource == 0 {
		return ""
	}
	from := l.sources.Enter(key, now.perSource(), 0)
	if from == nil {
		return RefusedPerSource
	}
	if l.total.Try(now.room()) || !now.Refuse && l.total.Acquire(now.room(), s.Done()) {
		r.slot.Store(from)
		return ""
	}
	l.sources.Leave(from)
	return RefusedConnections
}

// release undoes admit.
func (l *Limits) release(from *slots.Source) {
	l.total.Release()
	l.sources.Leave(from)
}

// perSource returns the limit of one source, at most half of Connections.
func (l *Limits) perSource() int {
	if l.Connections > 1 {
		return min(l.PerSource, l.Connections/2)
	}
	return l.PerSource
}

// equalAnswers is how often equal datagrams that come from one address and port are answered. Two servers
// that do not know each other, one of which was sent a datagram in the name of the other, answer each other
// as fast as they can, until an answer is dropped: then none is on its way any more. An answer to a port
// that systems do not choose for a client counts as serverPortAnswers.
var equalAnswers = slots.Rate{N: 100_000, Per: 100 * time.Second}

const serverPortAnswers, firstClientPort = 10, 32768

// admitAnswer reports whether d may have an answer that is so many bytes longer than it is.
func (s *BaseServer) admitAnswer(d *conn.Datagram, longer int) bool {
	l := s.Limits
	if l == nil {
		return true
	}
	now, most := conn.Now(), l.now().Answers
	if most == 0 {
		return true
	}
	if udp, ok := d.Client.(*net.UDPAddr); ok {
		from, n := udp.AddrPort(), 1
		if from.Port() < firstClientPort {
			n = serverPortAnswers
		}
		if !l.equal.AllowEqual(from, d.Sum(), n, equalAnswers, now) {
			s.logDropped(d, "answer dropped: equal datagrams keep coming, as they do from another server", "next", `if it is a client, set limits.answers = "0"`)
			return false
		}
	}
	to := slots.KeyOf(d.Client)
	if to.IsZero() && d.Client != nil { // of a transport with addresses of its own
		to = slots.KeyOfName(d.Client.String())
	}
	if longer > 0 && !l.answers.Allow(to, longer, slots.Rate{N: most, Per: time.Second}, 0, now) {
		s.logDropped(d, "answer dropped: limit reached", "limit", "answers", "value", most, "next", "raise limits.answers")
		return false
	}
	return true
}

func (s *BaseServer) logDropped(d *conn.Datagram, message string, fields ...any) {
	if more, ok := s.Limits.dropped.Allow(1); ok {
		fields = append([]any{"client", conn.AddressText(d.Client)}, fields...)
		s.log().Warn(message, ratelog.More(more, fields...)...)
	}
}

// divide returns the part of the limits that each of several workers applies. See also needAll.
func (l *Limits) divide(workers int) *Limits {
	if l == nil {
		return nil
	}
	l = l.now()
	return &Limits{
		Connections: (l.Connections + workers - 1) / workers, PerSource: l.PerSource, Banner: l.Banner, Answers: l.Answers,
	}
}
