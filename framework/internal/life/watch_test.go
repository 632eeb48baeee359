package life

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func spinUntil(stop <-chan struct{}) {
	for !Closed(stop) {
	}
}

// The stack is that of the goroutine that made the watch, among many.
func TestWatchHasTheStackOfItsGoroutine(t *testing.T) {
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 300 {
		others.Go(func() { <-stop })
	}
	stacks := make(chan string, 1)
	others.Go(func() {
		w := NewWatch(1, func(stack string) { stacks <- stack })
		defer w.Stop()
		spinUntil(stop)
	})
	require.Contains(t, <-stacks, "life.spinUntil")
	close(stop)
	others.Wait()
}

func TestWatchIsSilentAfterStop(t *testing.T) {
	w := NewWatch(1<<40, func(string) { t.Error("late") })
	w.Stop()
	require.False(t, w.timer.Stop(), "the timer has been stopped")
}
