package framework

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// Forking runs every request in a process of its own: a program started anew, which gets the
// connection and nothing of the server's memory. A class that Isolates starts its processes itself,
// and only their number is bounded. Otherwise that program is, in this order, the class's,
// Command, or this one again, which then has [ServeWorker] at the start of main. It needs Linux.
type Forking struct {
	// Command is the program of the children; nil: this one. It calls ServeWorker with the same
	// constructors as this program does.
	Command *Program
	// MaxChildren bounds the number of children, whatever they do; 0 means 40. The next request
	// waits, accepted and unread.
	MaxChildren int
	// Spares is the number of children that are kept started and idle.
	Spares int
	// MaxRequests is the number of requests that a child serves, one by one; 0 means 1.
	MaxRequests int

	users    life.Shared[workerKey, worker.Pool]
	silent   slots.Semaphore // children of clients that have not said anything
	isolated slots.Semaphore // requests of classes that isolate them
}

// maxHandedOver is the size in bytes of the largest datagram that fits into a frame.
const maxHandedOver = handoff.MaxFrame - 1024 // addresses

func (*Forking) Place() Place { return InWorkers }

// Open makes sure that children can be started, and starts the spares. Servers that share them have
// the same Class, Timeouts, Limits, MaxLine and State.
func (f *Forking) Open(s *BaseServer) error {
	if s.Class.Isolates {
		return nil
	}
	if f.MaxRequests > 1 { // the first handshake of a process costs as much as the relay
		program, _, err := programOf(f.Command, s.Class)
		if err != nil {
			return err
		}
		s.delegateLayer(program)
	}
	return f.users.Open(workerKey{s.Class, s.Timeouts, s.Limits, s.MaxLine, s.State}, func() (*worker.Pool, error) { return f.newPool(s) })
}

func (f *Forking) newPool(s *BaseServer) (*worker.Pool, error) {
	if t, ok := s.Transport.(interface{ MaxPacketSize() int }); ok && t.MaxPacketSize() > maxHandedOver {
		return nil, fmt.Errorf("framework: MaxPacketSize is %d; a child can be handed %d bytes", t.MaxPacketSize(), maxHandedOver)
	}
	// A child serves one request at a time, and starts a sixth cheaper where its runtime does not
	// prepare for several processors. Limits are applied here.
	c, err := workerConfig("forking", f.Command, s, 1, nil, false)
	if err != nil {
		return nil, err
	}
	return worker.NewPool(c, worker.PoolSize{
		Children: f.children(), Spares: f.Spares, Tasks: max(f.MaxRequests, 1), Request: s.Timeouts.Request, Handshake: s.Timeouts.Handshake,
	})
}

// ActiveChildren returns the process ids of the children.
func (f *Forking) ActiveChildren() []int { return f.users.Get().Pids() }

// OneRequestEach says that a process has one request at a time, which can be ended by the process's end.
func (*Forking) OneRequestEach() {}

// ProcessRequest passes r to an idle child or to a new one, for which it waits. Clients that have
// not said anything hold at most half of the children, unless the class has SpeaksFirst; further
// ones wait for their first byte without a child, after a handshake with the layers here. The children of
// that half have a [Portable] layer themselves, if they serve more than one request.
func (f *Forking) ProcessRequest(s *BaseServer, r *Request) error {
	half := max(f.children()/2, 1)
	switch {
	case s.Class.Isolates:
		return f.execute(s, r)
	case len(s.Layers) > 0 && r.conn != nil:
		if s.workerLayer != nil && f.silent.Try(half) {
			return f.start(s, r, f.silent.Release)
		}
		go f.finishWrapped(s, r, half)
		return nil
	case r.conn == nil || s.Class.SpeaksFirst:
		return f.start(s, r, func() {})
	case f.silent.Try(half):
		return f.start(s, r, f.silent.Release)
	}
	peer := s.antechamber.Enter(r.key(), maxSilentPerPeer, maxAntechamber)
	if peer == nil {
		return &RefusalError{RefusedSilent, errors.New("too many connections have not said anything")}
	}
	go func() {
		release, err := conn.AwaitClient(s.context(), r.accepted, s.timeouts().Idle, &f.silent, half)
		s.antechamber.Leave(peer)
		if err != nil {
			s.fail(r, err)
			return
		}
		defer release()
		f.finish(s, r, nil)
	}()
	return nil
}

// finishWrapped has r pass the layers, which ends no other client's wait, and then a child finish it.
func (f *Forking) finishWrapped(s *BaseServer, r *Request, half int) {
	release := func() {}
	err := s.wrap(r)
	switch {
	case err != nil || s.Class.SpeaksFirst:
	case f.silent.Try(half):
		release = f.silent.Release
	default:
		r.conn, release, err = conn.AwaitBytes(s.context(), r.conn, s.timeouts().Idle, &f.silent, half)
	}
	if err != nil {
		s.fail(r, err)
		return
	}
	defer release()
	f.finish(s, r, nil)
}

// execute has the class's executor finish r, within the bound.
func (f *Forking) execute(s *BaseServer, r *Request) error {
	if !f.isolated.Acquire(f.children(), s.Done()) {
		return ErrServerClosed
	}
	go func() {
		defer f.isolated.Release()
		s.FinishRequest(r)
	}()
	return nil
}

// start takes a slot and has its child finish r. release is called then.
func (f *Forking) start(s *BaseServer, r *Request, release func()) error {
	slot, err := f.users.Get().Take(s.Done())
	if err != nil {
		release()
		return err
	}
	go func() {
		defer release()
		f.finish(s, r, slot)
	}()
	return nil
}

// finish has the child of a slot finish r; nil: it waits for one.
func (f *Forking) finish(s *BaseServer, r *Request, slot *worker.Slot) {
	p := f.users.Get()
	if slot != nil {
		defer p.Release(slot)
	}
	do := func(t *worker.Task) (err error) {
		of := slot
		if slot = nil; of == nil {
			if of, err = p.Take(s.Done()); err != nil {
				return err
			}
		}
		return p.Do(of, t)
	}
	s.conclude(r, func() error { return s.handOver(r, false, do) })
}

func (f *Forking) children() int { return cmp.Or(f.MaxChildren, 40) }

// Close ends the children once the last server has closed, and waits until they have been reaped.
func (f *Forking) Close(s *BaseServer) {
	if s.Class.Isolates {
		return
	}
	if p := f.users.Close(); p != nil {
		p.Close(s.life.Cutting())
	}
}
