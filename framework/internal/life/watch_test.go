package life

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// spin makes a watch that is late at once, and runs until stop is closed.
func spin(late func(stack string), stop <-chan struct{}) {
	w := NewWatch(1, late)
	defer w.Stop()
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
	others.Go(func() { spin(func(stack string) { stacks <- stack }, stop) })
	require.Contains(t, <-stacks, "life.spin")
	close(stop)
	others.Wait()
}

func TestWatchIsSilentAfterStop(t *testing.T) {
	w := NewWatch(1<<40, func(string) { t.Error("late") })
	w.Stop()
	require.False(t, w.timer.Stop(), "the timer has been stopped")
}
