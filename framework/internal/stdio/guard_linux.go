package stdio

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

const (
	// patience is the time that a program has to end by itself when it reads the end of its
	// input, if half of the drain timeout is not less.
	patience = 2 * time.Second
	// grace is the time that an idle program has from SIGTERM to SIGKILL.
	grace = time.Second
)

// A guard ends a program that takes too long, and has it end when its server stops.
type guard struct {
	*running
	half     func() // ends the program's input; nil: it has ended
	activity *activity

	mu     sync.Mutex
	over   bool
	why    error // the timeout that has passed
	timers []*time.Timer
	idle   *time.Timer // nil: the connection may be quiet for ever
}

// watch calls wait, and returns its error or the timeout that ended the program.
func (g *guard) watch(wait func() error) error {
	if request := g.Timeouts.Request; request > 0 {
		g.after(request, func() {
			g.because("request", request)
			g.process.Kill()
		})
	}
	if g.activity.idle > 0 {
		g.mu.Lock()
		g.idle = time.AfterFunc(g.activity.every, g.look)
		g.timers = append(g.timers, g.idle)
		g.mu.Unlock()
	}
	stopped := context.AfterFunc(g.Stop, g.drain)
	err := wait()
	stopped()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	for _, t := range g.timers {
		t.Stop()
	}
	if g.why != nil {
		return g.why
	}
	return err
}

// after calls f after d, unless the program has ended.
func (g *guard) after(d time.Duration, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.over {
		g.timers = append(g.timers, time.AfterFunc(d, f))
	}
}

// because records the timeout that ends the program.
func (g *guard) because(name string, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil && !g.over {
		g.why = &conn.TimeoutError{Name: name, After: after, Err: os.ErrDeadlineExceeded}
	}
}

// look ends a program whose connection has been quiet for as long as it may, or looks again when
// that may be.
func (g *guard) look() {
	if next := g.activity.next(); next > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.over {
			g.idle.Reset(next)
		}
		return
	}
	g.because("idle", g.activity.idle)
	g.process.Terminate()
	g.after(grace, g.process.Kill)
}

// drain has the program end by itself: its input ends, and SIGTERM follows. What is left when the
// drain timeout has passed the server kills.
func (g *guard) drain() {
	if g.half == nil {
		g.process.Terminate()
		return
	}
	g.half()
	wait := patience
	if half := g.Timeouts.Drain / 2; half > 0 {
		wait = min(wait, half)
	}
	g.after(wait, g.process.Terminate)
}
