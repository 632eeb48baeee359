package framework

import (
	"errors"
	"runtime"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// Preforking runs requests in a fixed number of processes, each of which accepts them from
// the shared socket and runs them as [Threading] does. A request costs no hand-over; what
// ends a process ends the requests of that process, and another one takes its place. The
// program of the workers is found as under [Forking]. It needs Linux.
//
// Each worker has a server of its own. It keeps what handlers keep in memory, and its limits:
// Limits.Connections is divided among the workers, rounded up, and a worker that has its
// share accepts no more; Limits.PerSource is counted by each worker for itself, so that a
// source has at most Workers times as many. Limits.Refuse would have to know of all workers
// and is refused. A server that has VerifyRequest, HandleError or Preamble is refused, as they
// would have to run in the workers, and so is HandleRequest. Errors are logged. ServiceActions
// is called every half second, and [BaseServer.Active] does not count requests in workers.
//
// Where the transport has no socket that can be shared, or the server has layers, this
// process accepts and hands each connection to the worker that has the fewest. Limits are
// then the server's own.
type Preforking struct {
	// Command is the program of the workers; nil: this one. It calls ServeWorker with the
	// same constructors as this program does.
	Command *Program
	// Workers is the number of processes; 0 means as many as processors. More of them
	// isolate better and serve a little less. Each uses its share of the processors, at
	// least one.
	Workers int

	users life.Shared[workerKey, worker.Set]

	mu     sync.Mutex
	shared map[*BaseServer]*worker.Shared // the sockets that the workers serve
}

// Place returns InWorkers.
func (*Preforking) Place() Place { return InWorkers }

// Open starts the workers. Servers that share the strategy share its workers, so they need
// the same class, timeouts and limits.
func (p *Preforking) Open(s *BaseServer) error {
	if s.VerifyRequest != nil || s.HandleError != nil || s.Preamble != nil {
		return errors.New("framework: VerifyRequest, HandleError and Preamble cannot run in the workers of Preforking; leave them unset, or use Forking")
	}
	if s.Limits != nil && s.Limits.Refuse {
		return errors.New("framework: a worker of Preforking knows only its own connections and cannot refuse those beyond Limits.Connections; let them wait, or use another strategy")
	}
	return p.users.Open(s.workerKey(), func() (*worker.Set, error) {
		workers := p.Workers
		if workers <= 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		c, err := workerConfig(p.Command, s, max(1, runtime.GOMAXPROCS(0)/workers), s.Limits.divide(workers))
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
	p.mu.Lock()
	defer p.mu.Unlock()
	if life.Closed(s.life.Retired()) { // Close may have been called
		return ErrServerClosed
	}
	if p.shared == nil {
		p.shared = map[*BaseServer]*worker.Shared{}
	}
	p.shared[s] = p.users.Get().Share(task)
	return nil
}

// ActiveChildren returns the process ids of the workers.
func (p *Preforking) ActiveChildren() []int {
	if set := p.users.Get(); set != nil {
		return set.Pids()
	}
	return nil
}

// ProcessRequest hands r to a worker. It is called where the socket is not shared.
func (p *Preforking) ProcessRequest(s *BaseServer, r *Request) error {
	go s.finishIn(r, p.users.Get().Do)
	return nil
}

// Close waits until the workers are done with the requests of s. After the last server it
// ends them and waits until they have been reaped.
func (p *Preforking) Close(s *BaseServer) {
	p.mu.Lock()
	shared := p.shared[s]
	delete(p.shared, s)
	p.mu.Unlock()
	if shared != nil && shared.Withdraw(s.life.Cutting()) {
		s.killed.Store(true)
	}
	if set := p.users.Close(); set != nil {
		set.Close(s.life.Cutting())
	}
}
