package framework

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Preforking runs requests in a fixed number of processes, each of which gets them from the
// shared socket itself and runs them as [Threading] does. A request costs no hand-over; what
// ends a process ends the requests of that process, and another one takes its place. The
// program of the workers is found as under [Forking]. It needs Linux.
//
// What is of a server is of each of its workers: what handlers keep in memory, and the limits.
// Limits.Connections is divided among them, rounded up, and one that has its share takes no
// more clients until it has room; where it has several listeners that find its last room at
// once, a client of each is taken and waits for that worker. Limits.PerSource is counted by each
// for itself, so that one source has at most Workers times as many. Limits.Refuse would have
// to know of all workers and is refused.
//
// The workers verify and report by themselves: a server that has VerifyRequest or
// HandleError is refused, and so is HandleRequest. Errors are logged. ServiceActions is
// called every half second, and [BaseServer.Active] does not know of requests in workers.
type Preforking struct {
	// Command is the program of the workers; nil: this one. It calls ServeWorker with the
	// same constructors as this program does.
	Command *Program
	// Workers is how many processes there are; 0 means as many as processors. More of them
	// isolate better and serve a little less. Each uses its share of the processors, at
	// least one.
	Workers int

	mu    sync.Mutex
	users int
	crew  *crew // of the servers that are open now; nil: none is
}

// Open starts the workers. Servers that share the strategy share its workers, so their
// class, timeouts and limits have to be the same.
func (p *Preforking) Open(s *BaseServer) error {
	if s.VerifyRequest != nil || s.HandleError != nil {
		return errors.New("framework: VerifyRequest and HandleError can not run in the workers of Preforking; leave them unset, or use Forking")
	}
	if s.Limits != nil && s.Limits.Refuse {
		return errors.New("framework: a worker of Preforking knows only its own connections and can not refuse those beyond Limits.Connections; let them wait, or use another strategy")
	}
	if _, ok := s.Transport.(shareable); !ok {
		return fmt.Errorf("framework: the socket of a %T can not be shared with workers; use another strategy", s.Transport)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.users == 0:
		workers := p.Workers
		if workers <= 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		c, err := newCrew(p.Command, s, workers)
		if err != nil {
			return err
		}
		p.crew = c
	case p.crew.class != s.Class || p.crew.timeouts != s.Timeouts || p.crew.limits != s.Limits:
		return errors.New("framework: servers that share a Preforking have to have the same Class, Timeouts and Limits; give each its own Preforking")
	}
	p.users++
	return nil
}

func (p *Preforking) opened() *crew {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crew
}

func (p *Preforking) share(s *BaseServer) error {
	socket, err := s.Transport.(shareable).share()
	if err != nil {
		return err
	}
	c := p.opened()
	if c == nil { // s was stopped meanwhile, and was the last one
		return ErrServerClosed
	}
	return c.share(s, socket)
}

// ActiveChildren are the process ids of the workers.
func (p *Preforking) ActiveChildren() []int {
	if c := p.opened(); c != nil {
		return c.pids()
	}
	return nil
}

// ProcessRequest is not called: requests do not come to the server.
func (*Preforking) ProcessRequest(*BaseServer, *Request) error { return errLent }

// Close waits until the workers are done with the requests of s. After the last server it
// ends them and waits until they have been reaped.
func (p *Preforking) Close(s *BaseServer) {
	c := p.opened()
	c.withdraw(s)
	p.mu.Lock()
	p.users--
	last := p.users == 0
	if last {
		p.crew = nil
	}
	p.mu.Unlock()
	if last {
		c.close(s.cut)
	}
}
