// Package progress shows the progress of a comparison on a terminal or in a log.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Progress shows what a comparison is doing: as a bar on a terminal, as a line every five seconds
// elsewhere. Its methods may be called by several goroutines at once.
type Progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	timer    *time.Timer // of the next display; nil: closed

	what  string
	total time.Duration
	done  time.Duration
	since time.Time // when done grew last
}

// New returns a progress on w, which it does not close; it writes nothing if quiet.
func New(w io.Writer, terminal, quiet bool) *Progress {
	interval := 5 * time.Second
	if terminal {
		interval = 250 * time.Millisecond
	}
	if quiet {
		w = io.Discard
	}
	p := &Progress{w: w, terminal: terminal}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(interval, func() {
		p.change(func() {
			p.timer.Reset(interval)
			p.show()
		})
	})
	return p
}

// change calls f with the lock held, until the progress is closed.
func (p *Progress) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		f()
	}
}

// Plan sets the expected total time.
func (p *Progress) Plan(total time.Duration) {
	p.change(func() { p.total, p.since = total, time.Now() })
}

// Doing sets what is being done from now on, in a few words.
func (p *Progress) Doing(what string) {
	p.change(func() {
		p.what = text.Line(what)
		if p.terminal {
			p.show()
		}
	})
}

// Advance adds to the part of the plan that is done.
func (p *Progress) Advance(d time.Duration) {
	p.change(func() { p.done, p.since = p.done+d, time.Now() })
}

// Warn writes a line that stays.
func (p *Progress) Warn(problem string) {
	p.change(func() {
		p.clear()
		fmt.Fprintf(p.w, "warning: %s\n", text.Line(problem))
		if p.terminal {
			p.show()
		}
	})
}

// Close ends the display. Later calls do nothing.
func (p *Progress) Close() {
	p.change(func() {
		p.clear()
		p.timer.Stop()
		p.timer = nil
	})
}

func (p *Progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[2K")
	}
}

// show writes the part that is done and the expected time of the rest, which counts down between
// calls of Advance.
func (p *Progress) show() {
	if p.total <= 0 {
		return
	}
	left := max(0, min(p.total, p.total-p.done-time.Since(p.since)))
	part := 1 - float64(left)/float64(p.total)
	remaining := "<1s left"
	if left = left.Round(time.Second); left > 0 {
		remaining = left.String() + " left"
	}
	p.clear()
	if !p.terminal {
		fmt.Fprintf(p.w, "%.0f %% done, %s: %s\n", 100*part, remaining, p.what)
		return
	}
	const columns = 20
	drawn := strings.Repeat("#", int(part*columns))
	drawn += strings.Repeat(".", columns-len(drawn))
	// Without wrapping: a text that is wider than the terminal would leave lines behind.
	fmt.Fprintf(p.w, "\x1b[?7l[%s] %3.0f %%  %8s  %s\x1b[?7h", drawn, 100*part, remaining, p.what)
}
