package framework

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Forking runs every request in a process of its own. Go can not fork a running
// process: the child is a program started anew, which inherits the connection and
// nothing of the server's memory. It is, in this order, that of the class's Remote,
// Command, or this program again, which then has [ServeWorker] at the start of main.
// It needs Linux.
type Forking struct {
	// Command is the program of the children; nil: this one. It calls ServeWorker with
	// the same constructors as this program does.
	Command *Program
	// MaxChildren bounds how many children there are, whatever they do; 0 means 40. The
	// next request waits, accepted and unread.
	MaxChildren int
	// Spares is how many children are kept started and waiting for a request.
	Spares int
	// MaxRequests is how many requests a child serves, one after the other, before it
	// ends; 0 means 1.
	MaxRequests int

	mu      sync.Mutex
	users   int
	cohort  *cohort // what children are started from; nil: no server is open
	live    int     // children, those being started included
	warming int     // of them, those that become spares
	all     map[*child]struct{}
	idle    []*child      // the one used last at the end
	changed chan struct{} // closed when a child became idle or has gone
	delay   time.Duration // before the next start, after one that failed
	failed  throttle
}

const (
	defaultMaxChildren = 40
	maxStartDelay      = time.Second
	// maxIdle is how long a child that is not a spare waits for another request.
	maxIdle = 30 * time.Second
	// overtime is how long a handler has to notice that its request has timed out.
	overtime = time.Second
	// patience is how long children may take to end by themselves.
	patience = 5 * time.Second
)

func (f *Forking) maxChildren() int {
	if f.MaxChildren == 0 {
		return defaultMaxChildren
	}
	return f.MaxChildren
}

func (f *Forking) maxRequests() int { return max(f.MaxRequests, 1) }

// Open makes sure that children can be started, and starts the spares.
func (f *Forking) Open(s *BaseServer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users == 0 {
		c, err := newCohort(f, s)
		if err != nil {
			return err
		}
		f.cohort, f.all, f.changed = c, map[*child]struct{}{}, make(chan struct{})
	}
	f.users++
	f.refill()
	return nil
}

// ActiveChildren are the process ids of the children.
func (f *Forking) ActiveChildren() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	pids := make([]int, 0, len(f.all))
	for c := range f.all {
		pids = append(pids, c.process.Pid)
	}
	slices.Sort(pids)
	return pids
}

// ProcessRequest passes r to an idle child or to a new one.
func (f *Forking) ProcessRequest(s *BaseServer, r *Request) error {
	c, err := f.take(s.Done())
	if err != nil {
		return err
	}
	go f.serve(s, r, c)
	return nil
}

// take returns an idle child, or nil with the right to start one.
func (f *Forking) take(done <-chan struct{}) (*child, error) {
	for {
		f.mu.Lock()
		if n := len(f.idle); n > 0 {
			c := f.idle[n-1]
			f.idle = f.idle[:n-1]
			c.stopWaiting()
			f.refill()
			f.mu.Unlock()
			return c, nil
		}
		if f.live < f.maxChildren() {
			f.live++
			f.mu.Unlock()
			return nil, nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-done:
			return nil, ErrServerClosed
		}
	}
}

func (f *Forking) serve(s *BaseServer, r *Request, c *child) {
	var failed bool
	s.conclude(r, func() (err error) {
		for {
			waited := c != nil
			if c == nil {
				if c, err = f.start(); err != nil {
					failed = true
					return err
				}
			}
			err = f.finish(s, r, c)
			if !waited || !errors.Is(err, errUntaken) {
				return err
			}
			if c, err = f.take(s.Done()); err != nil { // it died while it was idle
				return err
			}
		}
	})
	switch {
	case failed:
		f.startFailed(s.Done())
	case c != nil:
		f.put(c)
	}
}

// finish has c finish r.
func (f *Forking) finish(s *BaseServer, r *Request, c *child) error {
	c.served++
	defer f.limit(s, c)()
	return c.worker.Finish(s, r, c.served >= f.maxRequests())
}

// limit ends a child whose handler does not notice that its request has timed out. The
// result undoes that.
func (f *Forking) limit(s *BaseServer, c *child) func() {
	if s.Timeouts.Request == 0 {
		return func() {}
	}
	overdue := time.AfterFunc(s.Timeouts.Request+overtime, func() {
		s.log().Warn("child killed: its request has timed out", "pid", c.process.Pid, "timeout", s.Timeouts.Request)
		c.process.Kill()
	})
	return func() { overdue.Stop() }
}

// put makes c idle, if it may serve another request.
func (f *Forking) put(c *child) {
	if c.served >= f.maxRequests() {
		return // it is about to end
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, alive := f.all[c]; !alive {
		return
	}
	if f.users == 0 {
		c.worker.Close()
		return
	}
	f.idle = append(f.idle, c)
	c.wait(maxIdle, func() { f.retire(c) })
	f.broadcast()
}

// retire ends a child that has been idle for long, but for the spares.
func (f *Forking) retire(c *child) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.idle, c)
	if i < 0 || len(f.idle) <= f.Spares {
		return
	}
	f.idle = slices.Delete(f.idle, i, i+1)
	c.worker.Close()
}

// start starts a child, for which the caller has counted one.
func (f *Forking) start() (*child, error) {
	c, err := f.cohort.start(f.gone)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.all[c] = struct{}{}
	f.mu.Unlock()
	close(c.known)
	return c, nil
}

// startFailed gives back the right to start a child, after a while: what kept it from
// starting, like a lack of memory, is not made worse by trying at once.
func (f *Forking) startFailed(done <-chan struct{}) {
	f.mu.Lock()
	f.delay = min(max(2*f.delay, minAcceptDelay), maxStartDelay)
	delay := f.delay
	f.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-done:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live--
	f.refill()
	f.broadcast()
}

// gone takes note that a child has been reaped. One that did not get as far as to say
// hello is a start that failed.
func (f *Forking) gone(c *child) {
	<-c.known
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, c)
	if i := slices.Index(f.idle, c); i >= 0 {
		c.stopWaiting()
		f.idle = slices.Delete(f.idle, i, i+1)
	}
	if !c.worker.saidHello() {
		go f.startFailed(f.cohort.done)
		return
	}
	f.delay = 0
	f.live--
	f.refill()
	f.broadcast()
}

// refill starts the spares that are missing and may be started.
func (f *Forking) refill() {
	for f.users > 0 && len(f.idle)+f.warming < f.Spares && f.live < f.maxChildren() {
		f.live++
		f.warming++
		go f.warm(f.cohort)
	}
}

// warm starts a spare.
func (f *Forking) warm(cohort *cohort) {
	c, err := f.start()
	f.mu.Lock()
	f.warming--
	f.mu.Unlock()
	if err != nil {
		if more, ok := f.failed.allow(); ok {
			cohort.log.Error("could not start a spare", "error", err, "more", more)
		}
		f.startFailed(cohort.done)
		return
	}
	f.put(c)
}

// broadcast wakes those who wait in take and Close.
func (f *Forking) broadcast() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Close ends the children once the last server has closed, and waits until they have
// been reaped.
func (f *Forking) Close(*BaseServer) {
	f.mu.Lock()
	if f.users--; f.users > 0 {
		f.mu.Unlock()
		return
	}
	close(f.cohort.done)
	for _, c := range f.idle {
		c.stopWaiting()
		c.worker.Close()
	}
	f.idle = nil
	f.mu.Unlock()
	if !f.awaitAll(time.After(patience)) {
		for c := range f.survivors() {
			c.process.Kill()
		}
		f.awaitAll(nil)
	}
	_ = f.cohort.close()
}

func (f *Forking) survivors() map[*child]struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[*child]struct{}, len(f.all))
	for c := range f.all {
		all[c] = struct{}{}
	}
	return all
}

// awaitAll waits until no child is left.
func (f *Forking) awaitAll(timeout <-chan time.Time) bool {
	for {
		f.mu.Lock()
		live, changed := f.live, f.changed
		f.mu.Unlock()
		if live == 0 {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return false
		}
	}
}

var errNoProgram = errors.New("framework: Forking has no program to start: call framework.ServeWorker(constructor) at the start of main, or set Command")

// program chooses what children run and which of its constructors.
func (f *Forking) program(class *HandlerClass) (*Program, int, error) {
	if class.Remote != nil {
		return class.Remote.Program(), 0, nil
	}
	index := slices.IndexFunc(own, func(c Constructor) bool { return c.definition == class.constructor })
	if len(own) == 0 {
		return nil, 0, errNoProgram
	}
	if index < 0 || class.constructor == nil {
		return nil, 0, fmt.Errorf("framework: Forking can not make this handler class in a child: make it with the Class method of a constructor that is given to ServeWorker")
	}
	if f.Command != nil {
		return f.Command, index, nil
	}
	return &Program{}, index, nil
}
