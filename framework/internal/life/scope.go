package life

import (
	"context"
	"sync"
)

// A Scope is the life of one request. The zero value is ready.
type Scope struct {
	mu      sync.Mutex
	context context.Context // made on first use, as it costs more than a datagram
	cancel  context.CancelFunc
	abort   func() // nil: none is needed
	stop    bool
	ended   bool
}

// Context is cancelled with parent and by End.
func (s *Scope) Context(parent context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.context == nil {
		s.context, s.cancel = context.WithCancel(parent)
		if s.ended {
			s.cancel()
		}
	}
	return s.context
}

// End cancels the context, also one that nobody has asked for yet: the request is over, or has to be soon.
func (s *Scope) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.cancel != nil {
		s.cancel()
	}
}

// OnAbort sets what ends the request by force.
func (s *Scope) OnAbort(abort func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort = abort
}

// Abort ends the request by force.
func (s *Scope) Abort() {
	s.mu.Lock()
	abort := s.abort
	s.mu.Unlock()
	if abort != nil {
		abort()
	}
}

// Abortable reports whether OnAbort was called.
func (s *Scope) Abortable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abort != nil
}

// AskStop records that the handler asks the server to stop.
func (s *Scope) AskStop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = true
}

// StopAsked reports whether AskStop was called.
func (s *Scope) StopAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop
}
