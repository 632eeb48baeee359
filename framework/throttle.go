package framework

import (
	"sync"
	"time"
)

// throttle lets a kind of event be logged once a second, or burst times in that second,
// and counts the others.
type throttle struct {
	burst int // 0: 1

	mu         sync.Mutex
	since      time.Time
	logged     int
	suppressed int
}

// withMore adds to what is logged how many such events have not been since the last line.
func withMore(suppressed int, args ...any) []any {
	if suppressed == 0 {
		return args
	}
	return append(args, "more", suppressed)
}

// allow says whether the event is to be logged, and how many have not been since.
func (t *throttle) allow() (suppressed int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now(); t.since.IsZero() || at.Sub(t.since) >= time.Second {
		t.since, t.logged = at, 0
	}
	if t.logged >= max(t.burst, 1) {
		t.suppressed++
		return 0, false
	}
	t.logged++
	suppressed, t.suppressed = t.suppressed, 0
	return suppressed, true
}
