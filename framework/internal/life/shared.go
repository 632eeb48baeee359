package life

import (
	"errors"
	"sync"
)

// A Shared is what several servers share, such as the children of a strategy. The first
// server makes it and the last one ends it. They have the same key. The zero value is ready.
type Shared[K comparable, T any] struct {
	mu  sync.Mutex
	n   int
	of  *T // nil: no server is open
	key K
}

// ErrOtherKey is returned to a server that cannot share with those that are open.
var ErrOtherKey = errors.New("framework: servers that share a strategy with workers need the same Class, Timeouts, Limits and MaxLine; give each a strategy of its own")

// Open counts a server, for which makes is called if it is the first.
func (s *Shared[K, T]) Open(key K, makes func() (*T, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n > 0 && s.key != key {
		return ErrOtherKey
	}
	if s.n == 0 {
		of, err := makes()
		if err != nil {
			return err
		}
		s.of, s.key = of, key
	}
	s.n++
	return nil
}

// Get returns what is shared, nil where no server is open.
func (s *Shared[K, T]) Get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of
}

// Close undoes Open. It returns what is to be ended, nil if another server is open.
func (s *Shared[K, T]) Close() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n--; s.n > 0 {
		return nil
	}
	last := s.of
	s.of = nil
	return last
}
