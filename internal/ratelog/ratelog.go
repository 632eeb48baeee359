// Package ratelog bounds how often an event is logged: n a second are, the rest are counted.
package ratelog

import (
	"sync"
	"time"
)

// A Limiter admits a number of events a second and counts those that it suppresses. The zero
// value is ready. A Limiter is used by [Limiter.Allow] or by [Limiter.Admit], not by both.
type Limiter struct {
	mu         sync.Mutex
	began      time.Time // of the second that is counted
	admitted   int
	suppressed int
	bytes      int
	report     func(events, bytes int)
	timer      *time.Timer // calls report; nil: nothing waits to be reported
}

// Allow reports whether an event may be logged, of which at most n are in one second. If so,
// more is the number of events suppressed since the last one that was logged; see [More].
func (l *Limiter) Allow(n int) (more int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance()
	if l.admitted >= n {
		l.suppressed++
		return 0, false
	}
	l.admitted++
	more, l.suppressed = l.suppressed, 0
	return more, true
}

// Admit is Allow for events that may cease at any time: what is suppressed does not wait for
// the next event. The report of the first suppressed event is called at the end of the second
// with their number and their size in bytes.
func (l *Limiter) Admit(n, size int, report func(events, bytes int)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance()
	if l.admitted < n {
		l.admitted++
		return true
	}
	if l.timer == nil {
		l.report = report
		l.timer = time.AfterFunc(time.Second-time.Since(l.began), l.Flush)
	}
	l.suppressed++
	l.bytes += size
	return false
}

// Flush reports what Admit has suppressed, without waiting for the end of the second.
func (l *Limiter) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

// advance begins another second if the last one is over.
func (l *Limiter) advance() {
	if now := time.Now(); now.Sub(l.began) >= time.Second {
		l.flush()
		l.began, l.admitted = now, 0
	}
}

func (l *Limiter) flush() {
	if l.timer == nil {
		return
	}
	l.timer.Stop()
	l.report(l.suppressed, l.bytes)
	l.timer, l.report, l.suppressed, l.bytes = nil, nil, 0, 0
}

// More appends the number of suppressed events to the arguments of a log line, if there are any.
func More(suppressed int, args ...any) []any {
	if suppressed == 0 {
		return args
	}
	return append(args, "more", suppressed)
}
