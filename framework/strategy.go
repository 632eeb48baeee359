package framework

import (
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// A Strategy is where requests run: socketserver's mix-in, as a value. Its bounds are for all
// servers that share it together. A strategy of your own often embeds one of this package, whose
// Place and SocketSharer it inherits.
type Strategy interface {
	// Place is where handlers run.
	Place() Place

	// Open is called once by every server before it listens, and refuses a server that the
	// strategy cannot run. A server whose Open succeeded calls Close.
	Open(s *BaseServer) error

	// ProcessRequest has FinishRequest called for r, now or later, here or elsewhere. It may wait
	// while a bound is reached, until s.Done is closed. On an error it has not taken r, which is refused
	// where that is a [RefusalError].
	ProcessRequest(s *BaseServer, r *Request) error

	// Close releases what is held for s. All its requests are over.
	Close(s *BaseServer)
}

// A Place is where a strategy runs handlers: in the loop, which waits for them, in this process, or
// in workers, which are processes and open the class themselves.
type Place int

// The places.
const (
	InLoop Place = iota
	InProcess
	InWorkers
)

// String returns "loop", "process" or "workers".
func (p Place) String() string { return [...]string{"loop", "process", "workers"}[p] }

// A SocketSharer is a strategy whose workers get requests themselves, from the socket of the
// server. A server that has to accept them itself calls ProcessRequest instead, see [Preforking].
type SocketSharer interface {
	Strategy
	// ShareSocket has the workers serve socket, which stays the server's, until s stops or retires.
	ShareSocket(s *BaseServer, socket syscall.Conn) error
}

// Synchronous runs one request at a time, in the loop of the server.
type Synchronous struct{ turn slots.Semaphore }

func (*Synchronous) Place() Place      { return InLoop }
func (*Synchronous) Close(*BaseServer) {}

// Open refuses no server.
func (*Synchronous) Open(s *BaseServer) error {
	s.delegateToExecutor()
	return nil
}

// ProcessRequest runs r to its end. Servers that share the strategy take turns.
func (t *Synchronous) ProcessRequest(s *BaseServer, r *Request) error {
	if !t.turn.Acquire(1, s.Done()) {
		return ErrServerClosed
	}
	defer t.turn.Release()
	s.FinishRequest(r)
	return nil
}

// Threading runs every request in a goroutine of its own.
type Threading struct {
	// MaxThreads bounds the number of requests that run at once; the next one waits, accepted and
	// unread. 0 means no bound.
	MaxThreads int
	threads    slots.Semaphore
}

func (*Threading) Place() Place      { return InProcess }
func (*Threading) Close(*BaseServer) {}

// Open refuses no server.
func (*Threading) Open(s *BaseServer) error {
	s.delegateToExecutor()
	return nil
}

// ProcessRequest starts a goroutine for r.
func (t *Threading) ProcessRequest(s *BaseServer, r *Request) error {
	if t.MaxThreads > 0 && !t.threads.Acquire(t.MaxThreads, s.Done()) {
		return ErrServerClosed
	}
	r.armFirstRead(s)
	if t.MaxThreads <= 0 {
		go s.FinishRequest(r)
		return nil
	}
	go func() {
		defer t.threads.Release()
		s.FinishRequest(r)
	}()
	return nil
}
