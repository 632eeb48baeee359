// Package progress shows the progress of a comparison on a terminal or in a log.
package progress

import (
	"io"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Progress shows what a comparison is doing. Its methods may be called by several goroutines at
// once.
type Progress interface {
	// Plan sets the expected total time. A later call changes it.
	Plan(total time.Duration)
	// Doing sets what is being done from now on, in a few words.
	Doing(what string)
	// Advance adds to the part of the plan that is done.
	Advance(d time.Duration)
	// Warn writes a line that stays.
	Warn(text string)
	// Close ends the display and waits until nothing more will be written. Later calls do
	// nothing.
	Close()
}

// New returns a progress on w: a bar on a terminal, a line every five seconds elsewhere, and nothing
// if quiet. It does not close w.
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

// A look shows a state. Its methods are called with the state's lock held.
type look interface {
	phase(s *state) string                // at a new phase
	tick(s *state) string                 // at each interval
	warning(s *state, line string) string // for a line that stays
	end() string
}

// state is the progress made so far.
type state struct {
	what  string
	total time.Duration
	done  time.Duration
	since time.Time // when done grew last
}

// left returns the expected time of the rest, which counts down between reports.
func (s *state) left() time.Duration {
	left := s.total - s.done
	if !s.since.IsZero() {
		left -= time.Since(s.since)
	}
	return max(0, left)
}

// part returns the part that is done, between 0 and 1.
func (s *state) part() float64 {
	if s.total <= 0 {
		return 0
	}
	return 1 - float64(min(s.left(), s.total))/float64(s.total)
}

// shown is a state that is displayed on w.
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

// change calls f, which may change the state, and writes what it returns.
func (s *shown) change(f func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if text := f(); text != "" {
		_, _ = io.WriteString(s.w, text) // stderr may be closed
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
