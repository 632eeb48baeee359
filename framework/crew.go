package framework

import (
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// crew is the workers of a [Preforking] from its first open server to its last.
type crew struct {
	*cohort
	class    *HandlerClass
	timeouts Timeouts
	limits   *Limits
	places   sync.WaitGroup // one for each worker that there is to be

	mu      sync.Mutex
	members map[*child]struct{}
	sockets map[*BaseServer]*shared
	needed  chan struct{} // closed but for when all sockets have been withdrawn
}

// shared is a socket that the workers serve.
type shared struct {
	server      *BaseServer
	socket      *lent
	description []byte
	serving     sync.WaitGroup // one for each worker that has it
	holders     map[*child]struct{}
}

// steady is how long a worker lives that is not replaced with a delay.
const steady = 10 * time.Second

func newCrew(command *Program, s *BaseServer, workers int) (*crew, error) {
	together, err := newCohort(command, s, max(1, runtime.GOMAXPROCS(0)/workers), s.Limits.divide(workers))
	if err != nil {
		return nil, err
	}
	c := &crew{
		cohort: together, class: s.Class, timeouts: s.Timeouts, limits: s.Limits,
		members: map[*child]struct{}{}, sockets: map[*BaseServer]*shared{}, needed: make(chan struct{}),
	}
	close(c.needed)
	members := make([]*child, 0, workers)
	for range workers {
		var m *child
		if m, err = c.enlist(); err != nil {
			break
		}
		members = append(members, m)
	}
	for _, m := range members {
		c.places.Go(func() { c.keep(m) })
		if failed := m.worker.Ready(patience); err == nil {
			err = failed
		}
	}
	if err != nil {
		c.close(closed)
		return nil, err
	}
	return c, nil
}

// divide is the part of the limits that each of several workers applies.
func (l *Limits) divide(workers int) *Limits {
	if l == nil {
		return nil
	}
	return &Limits{
		Connections: (l.Connections + workers - 1) / workers, PerSource: l.PerSource, Banner: l.Banner,
	}
}

// enlist starts a worker and has it serve the sockets that there are.
func (c *crew) enlist() (*child, error) {
	m, err := c.start(func(*child) {})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[m] = struct{}{}
	for _, socket := range c.sockets {
		c.give(socket, m)
	}
	return m, nil
}

// give has m serve a socket. The caller holds c.mu, so that none is given after withdraw.
func (c *crew) give(socket *shared, m *child) {
	socket.holders[m] = struct{}{}
	socket.serving.Go(func() {
		err := m.worker.serveSocket(socket)
		c.mu.Lock()
		delete(socket.holders, m)
		c.mu.Unlock()
		if !m.worker.ended() && !socket.server.isStopped() {
			c.log.Error("worker ended: it does not serve a socket", "pid", m.process.Pid, "error", err)
			m.process.Kill()
		}
	})
}

// keep has a worker in the place of m until the crew is closed. Those that do not live long
// are replaced with a delay.
func (c *crew) keep(m *child) {
	delay := time.Duration(0)
	for began := time.Now(); ; began = time.Now() {
		<-m.worker.Gone()
		c.mu.Lock()
		delete(c.members, m)
		c.mu.Unlock()
		if time.Since(began) > steady {
			delay = 0
		}
		if m = c.replace(m.worker.err, m.process.Pid, &delay); m == nil {
			return
		}
	}
}

// replace starts a worker after delay, which grows, until it succeeds, as long as there is
// something to serve. It returns nil when the crew is being closed.
func (c *crew) replace(why error, pid int, delay *time.Duration) *child {
	for {
		c.mu.Lock()
		needed := c.needed
		c.mu.Unlock()
		select {
		case <-c.done:
		case <-needed:
		}
		if isClosed(c.done) {
			return nil
		}
		c.log.Error("worker ended and is replaced", "pid", pid, "error", why, "delay", *delay)
		select {
		case <-c.done:
			return nil
		case <-time.After(*delay):
		}
		*delay = min(max(2**delay, minAcceptDelay), maxStartDelay)
		var m *child
		if m, why = c.enlist(); why == nil {
			if isClosed(c.done) {
				m.worker.Close()
			}
			if err := m.worker.Ready(patience); err != nil { // it hangs, or has gone
				c.log.Error("worker does not begin", "pid", m.process.Pid, "error", err)
				m.process.Kill()
			}
			return m
		}
		pid = 0
	}
}

func (c *crew) pids() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pidsOf(c.members)
}

// share has all workers serve the socket of s.
func (c *crew) share(s *BaseServer, socket *lent) error {
	o := sharedSocket{Network: s.Transport.Network(), ReadBuffer: s.ReadBuffer, WriteBuffer: s.WriteBuffer}
	s.Transport.(shareable).describe(&o)
	description, err := json.Marshal(o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isStopped() { // and perhaps withdrawn
		return ErrServerClosed
	}
	l := &shared{server: s, socket: socket, description: description, holders: map[*child]struct{}{}}
	c.sockets[s] = l
	if !isClosed(c.needed) {
		close(c.needed)
	}
	for m := range c.members {
		c.give(l, m)
	}
	return nil
}

// withdraw waits until the workers are done with the socket of s, which has stopped. They
// are killed when s is cut.
func (c *crew) withdraw(s *BaseServer) {
	c.mu.Lock()
	l := c.sockets[s]
	if l == nil {
		c.mu.Unlock()
		return
	}
	delete(c.sockets, s)
	if len(c.sockets) == 0 {
		c.needed = make(chan struct{})
	}
	c.mu.Unlock()
	over := make(chan struct{})
	go func() { l.serving.Wait(); close(over) }()
	select {
	case <-over:
		return
	case <-s.cut:
	}
	s.killed.Store(true)
	c.kill(l.holders)
	<-over
}

// kill ends workers at once.
func (c *crew) kill(members map[*child]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for m := range members {
		m.process.Kill()
	}
}

// close ends the workers, at once when cut is closed, and waits until they have been reaped.
func (c *crew) close(cut <-chan struct{}) {
	close(c.done)
	c.mu.Lock()
	for m := range c.members {
		m.worker.Close()
	}
	c.mu.Unlock()
	over := make(chan struct{})
	go func() { c.places.Wait(); close(over) }()
	select {
	case <-over:
	case <-cut:
	case <-time.After(patience):
	}
	c.kill(c.members)
	<-over
	_ = c.unpin()
}

// serveSocket hands a socket over and waits until the worker is done with it: when its server
// has stopped and its requests are over, or when the worker has gone.
func (w *Worker) serveSocket(l *shared) error {
	id, h, err := w.register(l.server, nil, false)
	if err != nil {
		return err
	}
	f := &handoff.Frame{Kind: handoff.Listen, ID: id, Body: l.description}
	if err := sendPatiently(w.channel, f, l.socket, l.server.Done()); err != nil {
		w.forget(id)
		return errors.Join(errors.New("hand over socket"), err)
	}
	return w.await(l.server, id, h)
}
