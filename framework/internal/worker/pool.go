package worker

import (
	"errors"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// A Pool is the children of one strategy, each of which has one task at a time.
type Pool struct {
	*group
	size     PoolSize
	starting slots.Semaphore

	// All that follows is guarded by the group's mutex.

	closed  bool
	cut     bool          // children end at once
	live    int           // children, those being started included
	warming int           // of them, those that become spares
	failing int           // of them, those that have failed and keep their places for a while
	paused  int           // starts for which the system had no room a moment ago
	idle    []*child      // the one used last at the end
	changed chan struct{} // closed when a child became idle or has gone
	delay   time.Duration // before the next start, after one that failed
	failed  ratelog.Limiter
}

// PoolSize bounds a Pool.
type PoolSize struct {
	Children  int           // at most, whatever they do
	Spares    int           // are kept started and idle
	Tasks     int           // that a child does, one after the other, before it ends; at least 1
	Request   time.Duration // after which a child that does not end its task is killed; 0: never
	Handshake time.Duration // that precedes this where the child has a layer
}

// patience returns the time after which a child that does not end t is killed; 0: never.
func (s *PoolSize) patience(t *Task) time.Duration {
	switch {
	case s.Request == 0:
		return 0
	case t.Layer != nil:
		return s.Handshake + s.Request + Overtime
	}
	return s.Request + Overtime
}

const (
	minStartDelay, maxStartDelay = 5 * time.Millisecond, time.Second
	// maxIdle is the time that a child that is not a spare waits for another task.
	maxIdle = 30 * time.Second
	// startTurn is the time that a start counts among those that are under way: one that takes
	// longer hangs, or waits, and does not hold up others.
	startTurn = 250 * time.Millisecond
	// Overtime is the time that a handler has to notice that its request has timed out.
	Overtime = time.Second
)

// NewPool starts the spares of a pool.
func NewPool(c Config, size PoolSize) (*Pool, error) {
	g, err := newGroup(c)
	if err != nil {
		return nil, err
	}
	p := &Pool{group: g, size: size, changed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refill()
	return p, nil
}

// Pids returns the process ids of the children.
func (p *Pool) Pids() []int {
	if p == nil {
		return nil
	}
	return p.pids()
}

// A Slot is an idle child or the right to start one.
type Slot struct {
	child *child
	used  bool
}

// Take waits for a slot until done is closed. It is used by one call of [Pool.Do], or given
// back by [Pool.Release].
func (p *Pool) Take(done <-chan struct{}) (*Slot, error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			c := p.idle[n-1]
			p.idle = p.idle[:n-1]
			c.idle.Stop()
			p.refill()
			p.mu.Unlock()
			return &Slot{child: c}, nil
		}
		if p.live < p.size.Children && p.paused == 0 {
			p.live++
			p.mu.Unlock()
			return &Slot{}, nil
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

// Release gives a slot back that Do was not called with; else it does nothing.
func (p *Pool) Release(slot *Slot) {
	if slot.used {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if slot.child != nil {
		p.putLocked(slot.child)
		return
	}
	p.live--
	p.refill()
	p.broadcast()
}

// Do has the child of the slot, or a new one, finish t.
func (p *Pool) Do(slot *Slot, t *Task) error {
	slot.used = true
	for c := slot.child; ; {
		waited := c != nil
		if c == nil {
			var err error
			if c, err = p.startKnown(t.Begun); err != nil {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.startFailed(err, t.Stop)
				return err
			}
		}
		err := ErrNotTaken
		if !waited || !c.stopped() {
			err = p.finish(c, t)
		}
		if !waited || !errors.Is(err, ErrNotTaken) {
			p.put(c)
			return err
		}
		slot, err = p.Take(t.Stop)
		if err != nil { // it died while it was idle
			return err
		}
		c = slot.child
	}
}

func (p *Pool) finish(c *child, t *Task) error {
	c.served++
	t.Frame.Flags &^= handoff.Last // of a child that did not take it
	if c.served >= p.size.Tasks {
		t.Frame.Flags |= handoff.Last
	}
	if patience := p.size.patience(t); patience > 0 {
		defer p.killLate(c, patience)()
	}
	return c.Do(t)
}

// put makes c idle, or has it end where it may not have another task. It has ended already
// if its last task reached it.
func (p *Pool) put(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.putLocked(c)
}

func (p *Pool) putLocked(c *child) {
	if _, alive := p.all[c]; !alive {
		return
	}
	if p.closed || c.served >= p.size.Tasks {
		c.finish(0)
		return
	}
	p.idle = append(p.idle, c)
	c.idle = time.AfterFunc(maxIdle, func() { p.endIdle(c) })
	p.broadcast()
}

// endIdle ends a child that has been idle for long, unless it is a spare.
func (p *Pool) endIdle(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, c)
	if i < 0 || len(p.idle) <= p.size.Spares {
		return
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	c.finish(0)
}

// startKnown starts a child, which the caller has counted. At most as many begin at once as
// there are processors: more would only keep each other from getting ready. begun is called with what gives up
// the start; nil: nothing is to.
func (p *Pool) startKnown(begun func(kill func())) (*child, error) {
	if !p.starting.Acquire(runtime.GOMAXPROCS(0), p.done) {
		return nil, ErrServerClosed
	}
	c, err := p.start(p.Configure, p.gone, begun)
	if err != nil {
		p.starting.Release()
		return nil, err
	}
	go p.awaitStart(c)
	p.mu.Lock()
	p.all[c] = struct{}{}
	if p.cut {
		c.kill()
	}
	p.mu.Unlock()
	close(c.known)
	return c, nil
}

// awaitStart releases the starting slot of c, and kills c where it hangs.
func (p *Pool) awaitStart(c *child) {
	c.awaitTurn(startTurn)
	p.starting.Release()
	if c.saidHello() || c.Ready(startPatience-startTurn) == nil || c.ended() {
		return
	}
	p.Log.Error("child killed: it did not begin to serve", "pid", c.pid, "within", startPatience.String())
	c.kill()
}

// startFailed releases a child's place after a back-off, until which no spare takes that. Where the system
// has no room for another process none is started until then. p.mu is held.
func (p *Pool) startFailed(err error, done <-chan struct{}) {
	p.delay = min(max(2*p.delay, minStartDelay), maxStartDelay)
	delay := p.delay
	full := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOMEM)
	if full {
		delay = maxStartDelay
		p.paused++
	}
	p.failing++
	go func() {
		select {
		case <-time.After(delay):
		case <-done:
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if full {
			p.paused--
		}
		p.failing--
		p.live--
		p.refill()
		p.broadcast()
	}()
}

// gone records that a child has been reaped. One that has not said hello is a start that
// failed.
func (p *Pool) gone(c *child) {
	<-c.known
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
	if i := slices.Index(p.idle, c); i >= 0 {
		c.idle.Stop()
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	if !c.saidHello() {
		p.startFailed(nil, p.done)
		return
	}
	p.delay = 0
	p.live--
	p.refill()
	p.broadcast()
}

// refill starts the spares that are missing and may be started.
func (p *Pool) refill() {
	for !p.closed && p.paused == 0 && len(p.idle)+p.warming+p.failing < p.size.Spares && p.live < p.size.Children {
		p.live++
		p.warming++
		go p.warm()
	}
}

// warm starts a spare, which is idle when it is ready.
func (p *Pool) warm() {
	c, err := p.startKnown(nil)
	if err == nil {
		select {
		case <-c.ready:
		case <-c.Gone():
		}
	}
	p.mu.Lock()
	p.warming--
	if err == nil {
		p.putLocked(c)
	} else {
		p.startFailed(err, p.done)
	}
	p.mu.Unlock()
	if err == nil || errors.Is(err, ErrServerClosed) {
		return
	}
	if more, ok := p.failed.Allow(1); ok {
		p.Log.Error("could not start a spare", ratelog.More(more, "error", err)...)
	}
}

// broadcast wakes Take and awaitAll.
func (p *Pool) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close ends the children, at once when cut is closed, and waits until they have been reaped.
// All tasks are over or cut off.
func (p *Pool) Close(cut <-chan struct{}) {
	close(p.done)
	p.mu.Lock()
	p.closed = true
	for _, c := range p.idle {
		c.idle.Stop()
		c.Close()
	}
	p.idle = nil
	p.mu.Unlock()
	if !p.awaitAll(time.After(endPatience), cut) {
		p.mu.Lock()
		p.cut = true
		p.mu.Unlock()
		p.kill(p.all)
		p.awaitAll(nil, nil)
	}
	_ = p.unpin()
}

// awaitAll waits until no child is left.
func (p *Pool) awaitAll(timeout <-chan time.Time, cut <-chan struct{}) bool {
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
