// Package progress shows on a terminal or in a log how far a comparison has come.
package progress

import (
	"io"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Progress is what stands on stderr while a comparison runs. Its methods may be called by
// several goroutines at once.
type Progress interface {
	// Plan says how long all of it is expected to take. It may be called again, when the
	// plan changes; what has been done stays done.
	Plan(total time.Duration)
	// Doing says what is being done from now on, in a few words.
	Doing(what string)
	// Advance says that so much of the plan is done.
	Advance(d time.Duration)
	// Warn writes a line that stays.
	Warn(text string)
	// Close ends it and waits until nothing more will be written. Calls after it do
	// nothing.
	Close()
}

// New chooses a progress for w: a bar on a terminal, a line per phase and every five
// seconds elsewhere, and nothing where it is to be quiet. It does not close w.
func New(w io.Writer, terminal, quiet bool) Progress {
	switch {
	case quiet:
		return silent{}
	case terminal:
		return start(w, bar{}, 250*time.Millisecond)
	}
	return start(w, lines{}, 5*time.Second)
}

// silent shows nothing.
type silent struct{}

func (silent) Plan(time.Duration)    {}
func (silent) Doing(string)          {}
func (silent) Advance(time.Duration) {}
func (silent) Warn(string)           {}
func (silent) Close()                {}

// A look is how a state is shown. It is asked under the lock of what it shows.
type look interface {
	phase(s *state) string                // a new phase has begun
	tick(s *state) string                 // time has passed
	warning(s *state, line string) string // a line that stays
	end() string
}

// state is how far it has come.
type state struct {
	what  string
	total time.Duration
	done  time.Duration
	since time.Time // the last time that done grew
}

// left is how long the rest is expected to take; it runs down while nothing is reported.
func (s *state) left() time.Duration {
	left := s.total - s.done
	if !s.since.IsZero() {
		left -= time.Since(s.since)
	}
	return max(0, left)
}

// part is how much is done, between 0 and 1.
func (s *state) part() float64 {
	if s.total <= 0 {
		return 0
	}
	return 1 - float64(min(s.left(), s.total))/float64(s.total)
}

// shown is a state that is kept on w.
type shown struct {
	mu      sync.Mutex
	w       io.Writer
	look    look
	state   state
	closed  bool
	closing chan struct{}
	ended   chan struct{}
}

func start(w io.Writer, l look, interval time.Duration) *shown {
	s := &shown{w: w, look: l, closing: make(chan struct{}), ended: make(chan struct{})}
	go s.run(interval)
	return s
}

func (s *shown) run(interval time.Duration) {
	defer close(s.ended)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-s.closing:
			return
		case <-ticker.C:
			s.change(func() string { return s.look.tick(&s.state) })
		}
	}
}

// change does what f does to the state, and writes what it returns.
func (s *shown) change(f func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if text := f(); text != "" {
		_, _ = io.WriteString(s.w, text) // who has closed stderr does not want to know
	}
}

func (s *shown) Plan(total time.Duration) {
	s.change(func() string {
		s.state.total, s.state.since = total, time.Now()
		return ""
	})
}

func (s *shown) Doing(what string) {
	s.change(func() string {
		s.state.what = text.Line(what)
		return s.look.phase(&s.state)
	})
}

func (s *shown) Advance(d time.Duration) {
	s.change(func() string {
		s.state.done, s.state.since = s.state.done+d, time.Now()
		return ""
	})
}

func (s *shown) Warn(problem string) {
	s.change(func() string { return s.look.warning(&s.state, "warning: "+text.Line(problem)+"\n") })
}

func (s *shown) Close() {
	s.change(func() string {
		s.closed = true
		close(s.closing)
		return s.look.end()
	})
	<-s.ended
}
