package framework

import (
	"errors"
	"runtime"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// Preforking runs requests in a fixed number of processes, each of which accepts them from the
// shared socket and runs them as [Threading] does. A request costs no hand-over; what ends a process
// ends its requests, and another one takes its place. It finds the program of the workers as
// [Forking] does, and needs Linux.
//
// Each worker has what handlers keep in memory, and limits of its own: Limits.Connections is divided
// among the workers, rounded up, and a worker that has its share accepts no more; a source may have
// Limits.PerSource in each of them. VerifyRequest and HandleError, which would have to run in them,
// are refused, and so is HandleRequest. Errors are logged. ServiceActions is called every half second, and
// [BaseServer.Active] does not count requests in workers.
//
// Workers have connections pass the server's layer, if it has one and that is [Portable], and read its preamble, if
// that is a [PortablePreamble].
//
// Where the transport has no socket that can be shared, the server has other layers or another Preamble, or its
// limits are about the clients of all workers (Access, Rate, RatePerSource, Refuse), this process
// accepts, applies the limits and hands each connection to the worker that has the fewest. One that waits for a worker is a
// request in flight: Limits.Connections alone bounds how many do.
type Preforking struct {
	// Command is the program of the workers, as in [Forking].
	Command *Program
	// Workers is the number of processes; 0 means as many as processors. More of them isolate
	// better and serve a little less. Each uses its share of the processors, at least one.
	Workers int

	users life.Shared[workerKey, worker.Set]
}

func (*Preforking) Place() Place { return InWorkers }

// Open starts the workers. Servers that share them have the same Class, Timeouts, Limits, MaxLine and State.
func (p *Preforking) Open(s *BaseServer) error {
	if s.VerifyRequest != nil || s.HandleError != nil {
		return errors.New("framework: VerifyRequest and HandleError cannot run in the workers of Preforking; leave them unset, or use Forking")
	}
	program, _, err := programOf(p.Command, s.Class)
	if err != nil {
		return err
	}
	s.delegateLayer(program)
	if err := s.delegatePreamble(program); err != nil {
		return err
	}
	return p.users.Open(workerKey{s.Class, s.Timeouts, s.Limits, s.MaxLine, s.State}, func() (*worker.Set, error) {
		workers := p.Workers
		if workers <= 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		c, err := workerConfig("preforking", p.Command, s, max(1, runtime.GOMAXPROCS(0)/workers), s.Limits.divide(workers), s.Trace != nil)
		if err != nil {
			return nil, err
		}
		return worker.NewSet(c, workers)
	})
}

// ShareSocket has the workers serve the socket of s.
func (p *Preforking) ShareSocket(s *BaseServer, socket syscall.Conn) error {
	task, err := s.socketTask(socket)
	if err != nil {
		return err
	}
	return p.users.Get().Share(s, task)
}

// ActiveChildren returns the process ids of the workers.
func (p *Preforking) ActiveChildren() []int { return p.users.Get().Pids() }

// ProcessRequest hands r to a worker. It is called where the socket is not shared.
func (p *Preforking) ProcessRequest(s *BaseServer, r *Request) error {
	go s.conclude(r, func() error { return s.handOver(r, false, p.users.Get().Do) })
	return nil
}

// Close waits until the workers are done with s. After the last server it ends and reaps them.
func (p *Preforking) Close(s *BaseServer) {
	if p.users.Get().Withdraw(s, s.life.Cutting()) {
		s.killed.Store(true)
	}
	if set := p.users.Close(); set != nil {
		set.Close(s.life.Cutting())
	}
}
