package slots

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func TestSemaphoreGrantsInTurn(t *testing.T) {
	var s Semaphore
	require.True(t, s.Acquire(2, closed), "a free slot goes before done")
	require.True(t, s.Try(2))
	require.False(t, s.Try(2))
	require.False(t, s.Acquire(2, closed))
	got := make(chan bool)
	go func() { got <- s.Acquire(2, nil) }()
	s.awaitWaiting(1)
	s.Release()
	require.True(t, <-got)
	require.False(t, s.Try(2), "the slot was passed on")
}

func TestSemaphoreResize(t *testing.T) {
	var s Semaphore
	require.True(t, s.Try(1))
	got := make(chan bool)
	for range 2 {
		go func() { got <- s.Acquire(1, nil) }()
	}
	s.awaitWaiting(2)
	s.Resize(3)
	require.True(t, <-got)
	require.True(t, <-got)
	s.Resize(1)
	s.Release()
	s.Release()
	require.False(t, s.Try(1), "one is held still")
	s.Release()
	require.True(t, s.Try(1))
}

// Who gives up gets no slot that is free at the same moment, and keeps none from others.
func TestSemaphoreGivesUp(t *testing.T) {
	for range 100 {
		var s Semaphore
		require.True(t, s.Try(1))
		done, got := make(chan struct{}), make(chan bool)
		go func() { got <- s.Acquire(1, done) }()
		s.awaitWaiting(1)
		s.mu.Lock()
		close(done)
		s.held--
		s.grant()
		s.mu.Unlock()
		require.False(t, <-got)
		require.True(t, s.Try(1))
	}
}

// awaitWaiting returns when n goroutines wait.
func (b *Semaphore) awaitWaiting(n int) {
	for waiting := -1; waiting != n; {
		b.mu.Lock()
		waiting = b.waiting.Len()
		b.mu.Unlock()
	}
}
