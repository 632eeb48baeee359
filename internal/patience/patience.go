// Package patience bounds what other processes do, in time for which they could have done it.
package patience

import (
	"context"
	"errors"
	"time"
)

const (
	// maxWaited is the most that waiting for a processor adds to a limit.
	maxWaited = time.Minute
	// again is when what has no time left is looked at a second time: a process that waits for a
	// processor is not yet seen to, and this one may have been stopped itself.
	again = 500 * time.Millisecond
)

// WithTimeout returns a context that ends with [context.DeadlineExceeded] when a process has had
// limit for something. The time, a minute at most, for which it was ready to run and had no processor
// does not count: on a loaded machine one that is killed and started again is later still. pid
// returns the process; 0: it has not started, or it has gone.
func WithTimeout(ctx context.Context, limit time.Duration, pid func() int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := timeout{began: time.Now(), limit: limit, pid: pid, before: waited(pid()), end: func() { cancel(context.DeadlineExceeded) }}
	p.timer = time.AfterFunc(time.Hour, func() { p.look() })
	p.timer.Reset(limit)
	return patient{ctx}, func() { p.timer.Stop(); cancel(nil) }
}

type timeout struct {
	began  time.Time
	limit  time.Duration
	pid    func() int
	before time.Duration // that it had waited when this began
	timer  *time.Timer
	late   bool // it had no time left at the last look
	end    func()
}

func (p *timeout) look() {
	left := p.limit - time.Since(p.began) + min(max(waited(p.pid())-p.before, 0), maxWaited)
	if left <= 0 && p.late {
		p.end()
		return
	}
	p.late = left <= 0
	p.timer.Reset(max(left, again))
}

// patient is a context with a cause whose Err is that.
type patient struct{ context.Context }

func (p patient) Err() error {
	if err := context.Cause(p.Context); errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return p.Context.Err()
}
