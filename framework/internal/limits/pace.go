package limits

import (
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// A pace is the rate of all clients and what they have had of it. Another rate is another pace: what was due at
// the old one would keep clients out for as long as that says.
type pace struct {
	slots.Bucket
	rate     slots.Rate
	replaced chan struct{} // closed when there is another one
}

// setPace replaces the pace if the rate is another one.
func (l *Limiter) setPace(rate slots.Rate) {
	was := l.pace.Load()
	if was != nil && was.rate == rate {
		return
	}
	l.pace.Store(&pace{rate: rate, replaced: make(chan struct{})})
	if was != nil {
		close(was.replaced)
	}
}

// awaitRate waits until the rate may have room, or done is closed.
func (l *Limiter) awaitRate(done <-chan struct{}) {
	if p := l.pace.Load(); p.rate.N > 0 {
		p.pause(p.Wait(p.rate, conn.Now()), done)
	}
}

// takeRate takes one from the rate of all, and reports whether it was there before done was closed.
func (l *Limiter) takeRate(refuse bool, done <-chan struct{}) bool {
	for {
		p := l.pace.Load()
		switch {
		case p.rate.N == 0:
			return true
		case refuse:
			return p.Try(p.rate, conn.Now())
		}
		switch p.pause(p.Reserve(p.rate, conn.Now()), done) {
		case over:
			return true
		case ended:
			return false
		}
	}
}

// The ends of a pause.
const (
	over = iota
	ended
	replaced
)

// pause waits for a time, until done is closed or there is another pace.
func (p *pace) pause(d time.Duration, done <-chan struct{}) int {
	if d <= 0 {
		return over
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return over
	case <-done:
		return ended
	case <-p.replaced:
		return replaced
	}
}
