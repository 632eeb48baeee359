package load

import (
	"context"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// never is an interval that no round reaches.
const never = 100 * 365 * 24 * time.Hour

// The back-off of a client after errors in a row.
const (
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
)

// A pace determines when a client sends its next request.
type pace struct {
	interval time.Duration // 0: closed loop
	limit    time.Time     // end of the round

	now     time.Time     // when the client last read the clock
	due     time.Time     // of the request in flight, or else of the next one; open loop
	since   time.Time     // when the latency of the request in flight begins
	waiting bool          // a request is in flight
	pause   time.Duration // back-off before the next request
	alarm   *alarm        // nil: closed loop, or not available
}

// newPace spreads the clients over the interval. The client must close the alarm.
func newPace(p Plan, number int, start time.Time) pace {
	var interval time.Duration
	var exact *alarm
	if p.Rate > 0 {
		exact = newAlarm()
		interval = time.Duration(max(1, min(float64(time.Second)*float64(p.Clients)/p.Rate, float64(never))))
	}
	phase := time.Duration(float64(interval) * float64(number) / float64(p.Clients))
	return pace{interval: interval, limit: start.Add(p.Warmup + p.Duration), now: start, due: start.Add(phase), alarm: exact}
}

// next waits until the next request is due. It returns false if the round ends before that.
func (p *pace) next(ctx context.Context) bool {
	if p.pause > 0 && !p.sleep(ctx, p.now.Add(p.pause)) {
		return false
	}
	if p.interval == 0 {
		p.since = p.now
		return true
	}
	// Latency begins when the request was due, whatever made it late. That may be this process,
	// which cannot be told apart from a server that took the processors.
	p.since = p.due
	if p.now.Before(p.due) && !p.sleep(ctx, p.due) {
		p.due = p.limit
		return false
	}
	return true
}

// sleep returns false if the round ends before that time.
func (p *pace) sleep(ctx context.Context, until time.Time) bool {
	if p.alarm != nil {
		if !p.alarm.wait(until.Sub(p.now)) {
			return false
		}
	} else {
		select {
		case <-time.After(until.Sub(p.now)):
		case <-ctx.Done():
			return false
		}
	}
	p.now = time.Now()
	return p.now.Before(p.limit)
}

// settled is called when the request in flight has been answered or has failed.
func (p *pace) settled(err error) {
	p.waiting = false
	p.due = p.due.Add(p.interval)
	if err == nil {
		p.pause = 0
		return
	}
	p.pause = min(max(firstPause, 2*p.pause), longestPause)
}

// unanswered yields the waits of the requests that were in flight or due when the round ended, and
// the number of each.
func (p *pace) unanswered(yield func(waited time.Duration, times int64)) {
	if p.interval == 0 {
		if p.waiting {
			yield(p.limit.Sub(p.since), 1)
		}
		return
	}
	// They are evenly spaced and may be many: yield at most about a thousand waits.
	const steps = 1000
	waited := p.limit.Sub(p.due)
	stride := max(1, int64(waited/p.interval)/steps)
	for ; waited > 0; waited -= p.interval * time.Duration(stride) {
		yield(waited, min(stride, int64((waited+p.interval-1)/p.interval)))
	}
}

// An alarm wakes one client of an open loop. In an idle process Go's timers are up to a millisecond
// late, which would be counted as latency.
type alarm struct {
	fd   uintptr // of file; valid while the client waits
	file *os.File
}

const clockMonotonic = 1

// newAlarm returns nil if there is no descriptor. The client must close it.
func newAlarm() *alarm {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return nil
	}
	return &alarm{fd, os.NewFile(fd, "timer")}
}

// wait waits for d, which must be positive. It returns false if the alarm is stopped.
func (a *alarm) wait(d time.Duration) bool {
	once := struct{ interval, value syscall.Timespec }{value: syscall.NsecToTimespec(int64(d))}
	if _, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, 0, uintptr(unsafe.Pointer(&once)), 0, 0, 0); errno != 0 {
		return false
	}
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err == nil
}

// stop makes every wait end, also later ones. Any goroutine may call it.
func (a *alarm) stop() {
	if a != nil {
		_ = a.file.SetReadDeadline(past)
	}
}

func (a *alarm) close() {
	if a != nil {
		_ = a.file.Close()
	}
}
