package framework

import (
	"sync"
	"time"
)

// throttle lets one event a second be logged and counts the others.
type throttle struct {
	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// allow says whether the event is to be logged, and how many have not been since.
func (t *throttle) allow() (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now(); t.last.IsZero() || at.Sub(t.last) >= time.Second {
		suppressed, t.suppressed, t.last = t.suppressed, 0, at
		return suppressed, true
	}
	t.suppressed++
	return 0, false
}
