package framework

import "sync"

// A Strategy is where requests run: socketserver's mix-in, as a value. One value may be
// shared by several servers; its bounds are then for all of them together.
type Strategy interface {
	// Open is called once by every server before it listens, and refuses a server that
	// the strategy cannot run. A server whose Open succeeded calls Close.
	Open(s *BaseServer) error

	// ProcessRequest has FinishRequest called for r, now or later, here or elsewhere. It
	// may wait while a bound of the strategy is reached, until s.Done is closed. If it
	// returns an error it has not taken r.
	ProcessRequest(s *BaseServer, r *Request) error

	// Close gives back what is held for s. All its requests are over.
	Close(s *BaseServer)
}

// Synchronous runs one request at a time, in the loop of the server.
type Synchronous struct{ turn bound }

func (*Synchronous) Open(*BaseServer) error { return nil }
func (*Synchronous) Close(*BaseServer)      {}

// ProcessRequest runs r to its end. Servers that share the strategy take turns.
func (t *Synchronous) ProcessRequest(s *BaseServer, r *Request) error {
	if !t.turn.acquire(1, s.Done()) {
		return ErrServerClosed
	}
	defer t.turn.release()
	s.FinishRequest(r)
	return nil
}

// Threading runs every request in a goroutine of its own.
type Threading struct {
	// MaxThreads bounds how many requests run at once; the next one waits, accepted and
	// unread. 0 means no bound.
	MaxThreads int

	threads bound
}

func (*Threading) Open(*BaseServer) error { return nil }
func (*Threading) Close(*BaseServer)      {}

// ProcessRequest starts a goroutine for r.
func (t *Threading) ProcessRequest(s *BaseServer, r *Request) error {
	if t.MaxThreads == 0 {
		r.armFirstRead(s)
		go s.FinishRequest(r)
		return nil
	}
	if !t.threads.acquire(t.MaxThreads, s.Done()) {
		return ErrServerClosed
	}
	r.armFirstRead(s)
	go func() {
		defer t.threads.release()
		s.FinishRequest(r)
	}()
	return nil
}

// bound is a semaphore that is made on first use.
type bound struct {
	once  sync.Once
	slots chan struct{}
}

// acquire takes one of n slots. It gives up when done is closed.
func (b *bound) acquire(n int, done <-chan struct{}) bool {
	b.once.Do(func() { b.slots = make(chan struct{}, n) })
	select {
	case b.slots <- struct{}{}:
		return true
	default: // first, as select chooses at random where done is closed too
	}
	select {
	case b.slots <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

func (b *bound) release() { <-b.slots }
