// Package limits applies bounds to clients: which may come in, how many at once, how often, and
// what they are answered. What a client asks for does not matter.
package limits

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/cidr"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// Bounds are those of the framework's Limits of the same names.
type Bounds struct {
	Allow, Deny         []netip.Prefix
	Connections         int
	PerSource           int
	Rate, RatePerSource slots.Rate
	Penalty             time.Duration
	Refuse              bool
	Banner              string
	Answers             int

	allow, deny cidr.Set
	// What sources have had of RatePerSource, with Penalty, and of Answers. Bounds that have others begin anew, also
	// where a request is being counted with the old ones: what is due at those would keep a source out.
	rates, answers *slots.Rates
}

// The reasons for which a client is refused.
const (
	Access        = "access"
	Connections   = "connections"
	PerSource     = "per_source"
	Rate          = "rate"
	RatePerSource = "rate_per_source"
	Closed        = "closed" // while it waited the server was stopped
)

// A Limiter applies bounds. Set comes before everything else.
type Limiter struct {
	bounds atomic.Pointer[Bounds]

	total   slots.Semaphore
	sources slots.Sources
	pace    atomic.Pointer[pace]
	equal   slots.Rates // answers to equal datagrams

	refused sync.Map // of *ratelog.Limiter, by reason
	dropped ratelog.Limiter
}

// Set replaces the bounds. What is under way counts against the new ones, unless nothing bounded it
// when it came. A rate, penalty or bound of answers that is another one begins anew, so that a source that was refused
// or not answered gets what it has now.
func (l *Limiter) Set(b Bounds) {
	b.allow, b.deny = cidr.NewSet(b.Allow), cidr.NewSet(b.Deny)
	b.rates, b.answers = new(slots.Rates), new(slots.Rates)
	if was := l.Bounds(); was != nil {
		if was.RatePerSource == b.RatePerSource && was.Penalty == b.Penalty {
			b.rates = was.rates
		}
		if was.Answers == b.Answers {
			b.answers = was.answers
		}
	}
	l.bounds.Store(&b)
	l.setPace(b.Rate)
	l.total.Resize(b.room())
}

// Bounds returns the bounds.
func (l *Limiter) Bounds() *Bounds { return l.bounds.Load() }

// room is the number of clients that may be under way.
func (b *Bounds) room() int {
	if b.Connections == 0 {
		return math.MaxInt
	}
	return b.Connections
}

// perSource is the number of those that may be of one source: at most half of all.
func (b *Bounds) perSource() int {
	if b.Connections > 1 {
		return min(b.PerSource, b.Connections/2)
	}
	return b.PerSource
}

// AboutAll reports whether processes that accept for themselves cannot apply the bounds, as they are
// about the clients of all of them.
func (b *Bounds) AboutAll() bool {
	return b.Refuse || len(b.Allow) > 0 || len(b.Deny) > 0 || b.Rate.N > 0 || b.RatePerSource.N > 0
}

// admits reports whether an address may come in. What is no IP address may.
func (b *Bounds) admits(a net.Addr) bool {
	if b.allow.Empty() && b.deny.Empty() {
		return true
	}
	ip := cidr.Of(a)
	return !ip.IsValid() || !b.deny.Contains(ip) && (b.allow.Empty() || b.allow.Contains(ip))
}

// AwaitRoom waits until there is room, or done is closed. Until then a client stays in the backlog,
// from where another process that serves the same socket may take it.
func (l *Limiter) AwaitRoom(done <-chan struct{}) {
	b := l.Bounds()
	if b.Refuse {
		return
	}
	if b.Connections > 0 && l.total.Acquire(b.Connections, done) {
		l.total.Release()
	}
	l.awaitRate(done)
}

// Admit returns why a client is refused, after waiting for room if need be; empty: it is not, and has
// the place held, if any, until Release. key returns its source. Without place only Access and the
// rates bound it. What is about the source comes first, so that one that is refused takes nothing
// from the others.
func (l *Limiter) Admit(client net.Addr, key func() slots.Key, place bool, done <-chan struct{}) (held *slots.Source, why string) {
	b := l.Bounds()
	if !b.admits(client) {
		return nil, Access
	}
	var from slots.Key
	if b.PerSource > 0 || b.RatePerSource.N > 0 {
		from = key()
	}
	switch {
	case b.RatePerSource.N > 0 && !from.IsZero() && !b.rates.Allow(from, 1, b.RatePerSource, b.Penalty, conn.Now()):
		why = RatePerSource
	case place && (b.Connections > 0 || b.PerSource > 0):
		held, why = l.enter(b, from, done)
	}
	if why == "" && !l.takeRate(b.Refuse, done) {
		if held != nil {
			l.Release(held)
		}
		held, why = nil, Rate
	}
	if why != "" && life.Closed(done) {
		why = Closed
	}
	return held, why
}

// enter takes a place among those of all and of the source.
func (l *Limiter) enter(b *Bounds, key slots.Key, done <-chan struct{}) (held *slots.Source, why string) {
	from := l.sources.Enter(key, b.perSource(), 0)
	if from == nil {
		return nil, PerSource
	}
	if l.total.Try(b.room()) || !b.Refuse && l.total.Acquire(b.room(), done) {
		return from, ""
	}
	l.sources.Leave(from)
	return nil, Connections
}

// Release returns a place.
func (l *Limiter) Release(held *slots.Source) {
	l.total.Release()
	l.sources.Leave(held)
}
