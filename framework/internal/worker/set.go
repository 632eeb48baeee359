package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/life"
)

// A Set is a fixed number of processes, each of which has every task that is shared among
// them, such as a socket to be served, and any number of others. One that ends is replaced.
type Set struct {
	*group
	places sync.WaitGroup // one for each process of the set

	// All that follows is guarded by the group's mutex.

	shared  map[any]*sharedTask
	needed  chan struct{} // closed while there is something to do
	idle    bool          // needed is open
	changed chan struct{} // closed when a member was added
}

// sharedTask is a task that all processes of a set have.
type sharedTask struct {
	task    Task
	doing   sync.WaitGroup // one for each process that has it
	holders map[*child]struct{}
}

// steady is how long a process lives that is replaced without a delay.
const steady = 10 * time.Second

// NewSet starts the processes. It returns when they have said hello.
func NewSet(c Config, processes int) (*Set, error) {
	g, err := newGroup(c)
	if err != nil {
		return nil, err
	}
	s := &Set{
		group: g, shared: map[any]*sharedTask{},
		needed: make(chan struct{}), changed: make(chan struct{}),
	}
	close(s.needed)
	members := make([]*child, 0, processes)
	for range processes {
		var m *child
		if m, err = s.enlist(); err != nil {
			break
		}
		members = append(members, m)
	}
	for _, m := range members {
		s.places.Go(func() { s.keep(m) })
		if failed := m.Ready(startPatience); err == nil {
			err = failed
		}
	}
	if err != nil {
		cut := make(chan struct{})
		close(cut)
		s.Close(cut)
		return nil, err
	}
	return s, nil
}

// enlist starts a process and gives it the shared tasks.
func (s *Set) enlist() (*child, error) {
	m, err := s.start(s.Configure, func(*child) {}, nil)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[m] = struct{}{}
	for _, t := range s.shared {
		s.give(t, m)
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return m, nil
}

// give has m do t. The caller holds s.mu, so that none is given after Withdraw.
func (s *Set) give(t *sharedTask, m *child) {
	t.holders[m] = struct{}{}
	task := t.task // its frame gets a number of its own
	task.Takers.enter(m.Process)
	t.doing.Go(func() {
		err := m.Do(&task)
		task.Takers.leave(m.Process)
		s.mu.Lock()
		delete(t.holders, m)
		s.mu.Unlock()
		if !m.ended() && !life.Closed(task.Stop) && !life.Closed(task.Retire) {
			s.Log.Error("worker ended: it does not serve a socket", "pid", m.pid, "error", err)
			m.kill()
		}
	})
}

// keep has a process in the place of m until the set is closed.
func (s *Set) keep(m *child) {
	delay := time.Duration(0)
	for began := time.Now(); ; began = time.Now() {
		<-m.Gone()
		s.mu.Lock()
		delete(s.all, m)
		s.mu.Unlock()
		if time.Since(began) > steady {
			delay = 0
		}
		if m = s.replace(m.err, m.pid, &delay); m == nil {
			return
		}
	}
}

// replace starts a process after a back-off until it succeeds, as long as there is something
// to do. It returns nil when the set is being closed.
func (s *Set) replace(why error, pid int, delay *time.Duration) *child {
	for {
		s.mu.Lock()
		needed := s.needed
		s.mu.Unlock()
		select {
		case <-s.done:
		case <-needed:
		}
		if life.Closed(s.done) {
			return nil
		}
		s.Log.Error("worker ended and is replaced", "pid", pid, "error", why, "delay", delay.String())
		select {
		case <-s.done:
			return nil
		case <-time.After(*delay):
		}
		*delay = min(max(2**delay, minStartDelay), maxStartDelay)
		var m *child
		if m, why = s.enlist(); why == nil {
			if life.Closed(s.done) {
				m.Close()
			}
			if err := m.Ready(startPatience); err != nil { // it hangs, or has gone
				s.Log.Error("worker does not begin", "pid", m.pid, "error", err)
				m.kill()
			}
			return m
		}
		pid = 0
	}
}

// Pids returns the process ids of the set.
func (s *Set) Pids() []int {
	if s == nil {
		return nil
	}
	return s.pids()
}

// Share has all processes do t, the task of owner, until t.Retire or t.Stop is closed. Once that
// has happened the caller calls Withdraw, and Share returns ErrServerClosed.
func (s *Set) Share(owner any, t Task) error {
	if s == nil { // the caller was the last to withdraw
		return ErrServerClosed
	}
	if err := t.Frame.Check(); err != nil { // no process could have it
		return fmt.Errorf("share the socket: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if life.Closed(t.Retire) {
		return ErrServerClosed
	}
	l := &sharedTask{task: t, holders: map[*child]struct{}{}}
	s.shared[owner] = l
	s.need()
	for m := range s.all {
		s.give(l, m)
	}
	return nil
}

// need makes replace go on. The caller holds s.mu.
func (s *Set) need() {
	if s.idle {
		s.idle = false
		close(s.needed)
	}
}

// Withdraw waits until the processes are done with the task of owner, if it has shared one. They
// are killed when cut is closed; killed reports that.
func (s *Set) Withdraw(owner any, cut <-chan struct{}) (killed bool) {
	s.mu.Lock()
	t := s.shared[owner]
	delete(s.shared, owner)
	if t != nil && len(s.shared) == 0 && !s.idle {
		s.idle, s.needed = true, make(chan struct{})
	}
	s.mu.Unlock()
	if t == nil {
		return false
	}
	over := waited(&t.doing)
	select {
	case <-over:
		return false
	case <-cut:
	}
	s.kill(t.holders)
	<-over
	return true
}

// Do has the process with the fewest tasks finish t.
func (s *Set) Do(t *Task) error {
	for tried := map[*child]bool{}; ; {
		s.mu.Lock()
		s.need()
		var best *child
		least := 0
		for m := range s.all {
			if n, alive := m.tasks(); alive && !tried[m] && (best == nil || n < least) {
				best, least = m, n
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if best != nil {
			tried[best] = true
			if best.stopped() {
				continue
			}
			if err := best.Do(t); !errors.Is(err, ErrNotTaken) {
				return err
			}
			continue // another one may have it
		}
		select {
		case <-changed:
		case <-t.Stop:
			return ErrServerClosed
		}
	}
}

// Close ends the processes, at once when cut is closed, and waits until they have been reaped.
func (s *Set) Close(cut <-chan struct{}) {
	close(s.done)
	s.mu.Lock()
	for m := range s.all {
		m.Close()
	}
	s.mu.Unlock()
	over := waited(&s.places)
	select {
	case <-over:
	case <-cut:
	case <-time.After(endPatience):
	}
	s.kill(s.all)
	<-over
	_ = s.unpin()
}

// waited returns a channel that is closed when w is done.
func waited(w *sync.WaitGroup) <-chan struct{} {
	over := make(chan struct{})
	go func() { w.Wait(); close(over) }()
	return over
}
