package framework

import (
	"fmt"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// Forking runs every request in a process of its own. Go cannot fork a running process: the
// child is a program started anew, which inherits the connection and nothing of the server's
// memory. That program is, in this order, the class's, Command, or this program again, which
// then has [ServeWorker] at the start of main. It needs Linux.
type Forking struct {
	// Command is the program of the children; nil: this one. It calls ServeWorker with
	// the same constructors as this program does.
	Command *Program
	// MaxChildren bounds the number of children, whatever they do; 0 means 40. The next
	// request waits, accepted and unread.
	MaxChildren int
	// Spares is the number of children that are kept started and idle.
	Spares int
	// MaxRequests is the number of requests that a child serves, one after the other,
	// before it ends; 0 means 1.
	MaxRequests int

	users life.Shared[workerKey, worker.Pool]
}

const defaultMaxChildren = 40

// maxHandedOver is the size in bytes of the largest datagram that fits into a frame with its
// addresses.
const maxHandedOver = handoff.MaxFrame - 1024

// Place returns InWorkers.
func (*Forking) Place() Place { return InWorkers }

// Open makes sure that children can be started, and starts the spares. Servers that share
// the strategy share its children, so they need the same class, timeouts and limits.
func (f *Forking) Open(s *BaseServer) error {
	return f.users.Open(s.workerKey(), func() (*worker.Pool, error) { return f.newPool(s) })
}

func (f *Forking) newPool(s *BaseServer) (*worker.Pool, error) {
	if t, ok := s.Transport.(interface{ maxPacketSize() int }); ok && t.maxPacketSize() > maxHandedOver {
		return nil, fmt.Errorf("framework: MaxPacketSize is %d; a child can be handed %d bytes", t.maxPacketSize(), maxHandedOver)
	}
	// A child serves one request at a time, and starts a sixth cheaper where its runtime does
	// not prepare for several processors. Limits are applied here.
	c, err := workerConfig(f.Command, s, 1, nil)
	if err != nil {
		return nil, err
	}
	size := worker.PoolSize{Children: f.MaxChildren, Spares: f.Spares, Tasks: max(f.MaxRequests, 1), Request: s.Timeouts.Request}
	if size.Children == 0 {
		size.Children = defaultMaxChildren
	}
	return worker.NewPool(c, size)
}

// ActiveChildren returns the process ids of the children.
func (f *Forking) ActiveChildren() []int {
	if p := f.users.Get(); p != nil {
		return p.Pids()
	}
	return nil
}

// ProcessRequest passes r to an idle child or to a new one. A client that is in a handshake
// with the layers holds none.
func (f *Forking) ProcessRequest(s *BaseServer, r *Request) error {
	p := f.users.Get()
	if len(s.Layers) > 0 {
		go s.finishIn(r, func(t *worker.Task) error {
			slot, err := p.Take(s.Done())
			if err != nil {
				return err
			}
			return p.Do(slot, t)
		})
		return nil
	}
	slot, err := p.Take(s.Done())
	if err != nil {
		return err
	}
	go func() {
		defer p.Release(slot)
		s.finishIn(r, func(t *worker.Task) error { return p.Do(slot, t) })
	}()
	return nil
}

// Close ends the children once the last server has closed, and waits until they have been
// reaped.
func (f *Forking) Close(s *BaseServer) {
	if p := f.users.Close(); p != nil {
		p.Close(s.life.Cutting())
	}
}
