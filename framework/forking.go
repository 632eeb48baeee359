package framework

import (
	"errors"
	"sync"
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

	mu    sync.Mutex
	users int
	pool  *pool // of the servers that are open now; nil: none is
}

const defaultMaxChildren = 40

// Open makes sure that children can be started, and starts the spares. Servers that share
// the strategy share their children, so their class and timeouts have to be the same.
func (f *Forking) Open(s *BaseServer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users == 0 {
		p, err := newPool(f, s)
		if err != nil {
			return err
		}
		f.pool = p
	} else if f.pool.class != s.Class || f.pool.timeouts != s.Timeouts {
		return errors.New("framework: servers that share a Forking have to have the same Class and Timeouts; give each its own Forking")
	}
	f.users++
	return nil
}

func (f *Forking) opened() *pool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pool
}

// ActiveChildren are the process ids of the children.
func (f *Forking) ActiveChildren() []int {
	if p := f.opened(); p != nil {
		return p.pids()
	}
	return nil
}

// ProcessRequest passes r to an idle child or to a new one.
func (f *Forking) ProcessRequest(s *BaseServer, r *Request) error {
	p := f.opened()
	c, err := p.take(s.Done())
	if err != nil {
		return err
	}
	go p.serve(s, r, c)
	return nil
}

// Close ends the children once the last server has closed, and waits until they have
// been reaped.
func (f *Forking) Close(s *BaseServer) {
	f.mu.Lock()
	p := f.pool
	f.users--
	last := f.users == 0
	if last {
		f.pool = nil
	}
	f.mu.Unlock()
	if last {
		p.close(s.cut)
	}
}
