package framework

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// pool is the children of a [Forking] from its first open server to its last.
type pool struct {
	*cohort
	class                        *HandlerClass
	timeouts                     Timeouts
	maxLive, spares, maxRequests int
	starting                     bound

	mu      sync.Mutex
	closed  bool
	live    int // children, those being started included
	warming int // of them, those that become spares
	all     map[*child]struct{}
	idle    []*child      // the one used last at the end
	changed chan struct{} // closed when a child became idle or has gone
	delay   time.Duration // before the next start, after one that failed
	failed  ratelog.Limiter
}

const (
	maxStartDelay = time.Second
	// maxIdle is how long a child that is not a spare waits for another request.
	maxIdle = 30 * time.Second
	// overtime is how long a handler has to notice that its request has timed out.
	overtime = time.Second
	// patience is how long children may take to end by themselves.
	patience = 5 * time.Second
)

// maxHandedOver is the largest datagram that fits into a frame with its addresses, in bytes.
const maxHandedOver = handoff.MaxFrame - 1024

func newPool(f *Forking, s *BaseServer) (*pool, error) {
	if t, ok := s.Transport.(*packetTransport); ok && *t.max > maxHandedOver {
		return nil, fmt.Errorf("framework: MaxPacketSize is %d; a child can be handed %d bytes", *t.max, maxHandedOver)
	}
	// A child serves one request at a time, and its start costs a sixth less where its
	// runtime does not prepare for several processors. The limits are applied here.
	c, err := newCohort(f.Command, s, 1, nil)
	if err != nil {
		return nil, err
	}
	p := &pool{
		cohort: c, class: s.Class, timeouts: s.Timeouts,
		maxLive: f.MaxChildren, spares: f.Spares, maxRequests: max(f.MaxRequests, 1),
		all: map[*child]struct{}{}, changed: make(chan struct{}),
	}
	if p.maxLive == 0 {
		p.maxLive = defaultMaxChildren
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refill()
	return p, nil
}

func (p *pool) pids() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pidsOf(p.all)
}

// take returns an idle child, or nil with the right to start one.
func (p *pool) take(done <-chan struct{}) (*child, error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1]
			p.idle = p.idle[:n-1]
			c.stopWaiting()
			p.refill()
			p.mu.Unlock()
			return c, nil
		}
		if p.live < p.maxLive {
			p.live++
			p.mu.Unlock()
			return nil, nil
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return nil, ErrServerClosed
		}
	}
}

// serve has c, or a new child where it is nil, finish r.
func (p *pool) serve(s *BaseServer, r *Request, c *child) {
	var failed bool
	s.conclude(r, func() (err error) {
		for {
			waited := c != nil
			if c == nil {
				if c, err = p.startKnown(); err != nil {
					failed = true
					return err
				}
			}
			err = p.finish(s, r, c)
			if !waited || !errors.Is(err, errUntaken) {
				return err
			}
			if c, err = p.take(s.Done()); err != nil { // it died while it was idle
				return err
			}
		}
	})
	switch {
	case failed:
		p.startFailed(s.Done())
	case c != nil:
		p.put(c)
	}
}

func (p *pool) finish(s *BaseServer, r *Request, c *child) error {
	c.served++
	defer p.limit(s, c)()
	return c.worker.Finish(s, r, c.served >= p.maxRequests)
}

// limit ends a child whose handler does not notice that its request has timed out. The
// result undoes that.
func (p *pool) limit(s *BaseServer, c *child) func() {
	if s.Timeouts.Request == 0 {
		return func() {}
	}
	overdue := time.AfterFunc(s.Timeouts.Request+overtime, func() {
		s.log().Warn("child killed: its request has timed out", "pid", c.process.Pid, "timeout", s.Timeouts.Request)
		c.process.Kill()
	})
	return func() { overdue.Stop() }
}

// put makes c idle, or has it end where it may not serve another request. It has ended
// already if its last request reached it.
func (p *pool) put(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.putLocked(c)
}

func (p *pool) putLocked(c *child) {
	if _, alive := p.all[c]; !alive {
		return
	}
	if p.closed || c.served >= p.maxRequests {
		c.worker.Close()
		return
	}
	p.idle = append(p.idle, c)
	c.wait(maxIdle, func() { p.retire(c) })
	p.broadcast()
}

// retire ends a child that has been idle for long, but for the spares.
func (p *pool) retire(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, c)
	if i < 0 || len(p.idle) <= p.spares {
		return
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	c.worker.Close()
}

// startKnown starts a child, for which the caller has counted one. Only as many begin at
// once as there are processors: more would only keep each other from getting ready.
func (p *pool) startKnown() (*child, error) {
	if !p.starting.acquire(runtime.GOMAXPROCS(0), p.done) {
		return nil, ErrServerClosed
	}
	c, err := p.start(p.gone)
	if err != nil {
		p.starting.release()
		return nil, err
	}
	go func() {
		select {
		case <-c.worker.ready:
		case <-c.worker.gone:
		}
		p.starting.release()
	}()
	p.mu.Lock()
	p.all[c] = struct{}{}
	p.mu.Unlock()
	close(c.known)
	return c, nil
}

// startFailed gives back the right to start a child, after a while: what kept it from
// starting, like a lack of memory, is not made worse by trying at once.
func (p *pool) startFailed(done <-chan struct{}) {
	p.mu.Lock()
	p.delay = min(max(2*p.delay, minAcceptDelay), maxStartDelay)
	delay := p.delay
	p.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-done:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live--
	p.refill()
	p.broadcast()
}

// gone takes note that a child has been reaped. One that did not get as far as to say
// hello is a start that failed.
func (p *pool) gone(c *child) {
	<-c.known
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
	if i := slices.Index(p.idle, c); i >= 0 {
		c.stopWaiting()
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	if !c.worker.saidHello() {
		go p.startFailed(p.done)
		return
	}
	p.delay = 0
	p.live--
	p.refill()
	p.broadcast()
}

// refill starts the spares that are missing and may be started.
func (p *pool) refill() {
	for !p.closed && len(p.idle)+p.warming < p.spares && p.live < p.maxLive {
		p.live++
		p.warming++
		go p.warm()
	}
}

// warm starts a spare.
func (p *pool) warm() {
	c, err := p.startKnown()
	p.mu.Lock()
	p.warming--
	if err == nil {
		p.putLocked(c)
	}
	p.mu.Unlock()
	if err != nil {
		if more, ok := p.failed.Allow(1); ok && !errors.Is(err, ErrServerClosed) {
			p.log.Error("could not start a spare", ratelog.More(more, "error", err)...)
		}
		p.startFailed(p.done)
	}
}

// broadcast wakes those who wait in take and awaitAll.
func (p *pool) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// close ends the children, at once when cut is closed, and waits until they have been reaped.
func (p *pool) close(cut <-chan struct{}) {
	close(p.done)
	p.mu.Lock()
	p.closed = true
	for _, c := range p.idle {
		c.stopWaiting()
		c.worker.Close()
	}
	p.idle = nil
	p.mu.Unlock()
	if !p.awaitAll(time.After(patience), cut) {
		for _, c := range p.survivors() {
			c.process.Kill()
		}
		p.awaitAll(nil, nil)
	}
	_ = p.unpin()
}

func (p *pool) survivors() []*child {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.all))
}

// awaitAll waits until no child is left.
func (p *pool) awaitAll(timeout <-chan time.Time, cut <-chan struct{}) bool {
	for {
		p.mu.Lock()
		live, changed := p.live, p.changed
		p.mu.Unlock()
		if live == 0 {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		case <-cut:
			return false
		}
	}
}
