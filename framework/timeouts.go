package framework

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Timeouts bound a request. Zero means no bound.
type Timeouts struct {
	Idle    time.Duration `json:"idle"`    // no byte in either direction
	Read    time.Duration `json:"read"`    // one wait for the client, as StreamRequestHandler.timeout in socketserver
	Write   time.Duration `json:"write"`   // one write to a client that does not read
	Request time.Duration `json:"request"` // the whole request
	Drain   time.Duration `json:"drain"`   // what a worker whose server has gone takes for the requests it holds

	// IdleIsDefault says that nobody has asked for Idle. It does not bound the requests of a
	// class that is [HandlerClass.Quiet].
	IdleIsDefault bool `json:"idle_is_default"`
}

// clock arms the deadlines of one connection. Arming costs more than asking the
// time, so a deadline is set with some slack and stays until it would come too early.
type clock struct {
	conn     net.Conn
	timeouts *Timeouts
	end      int64 // of the whole request
	readBy   int64 // the armed deadlines
	writeBy  atomic.Int64
	last     atomic.Int64 // when a byte was last written
}

const never = math.MaxInt64

func (c *clock) start(conn net.Conn, t *Timeouts) {
	c.conn, c.timeouts = conn, t
	c.end, c.readBy = never, never
	c.writeBy.Store(never)
	c.last.Store(-never) // the clock of a test may be behind epoch
	if t.Request > 0 {
		c.end = now() + int64(t.Request)
	}
}

// readLimit is when a read that began then has waited too long.
func (c *clock) readLimit(began int64) int64 {
	limit := c.end
	if c.timeouts.Idle > 0 {
		limit = min(limit, max(began, c.last.Load())+int64(c.timeouts.Idle))
	}
	if c.timeouts.Read > 0 {
		limit = min(limit, began+int64(c.timeouts.Read))
	}
	return limit
}

func (c *clock) beforeRead(began int64) {
	limit := c.readLimit(began)
	if limit == c.readBy {
		return
	}
	latest := c.latest(began, limit)
	if c.readBy < limit || c.readBy > latest {
		c.readBy = latest
		_ = c.conn.SetReadDeadline(deadline(latest))
	}
}

// readWithin makes the next read give up after a while.
func (c *clock) readWithin(wait time.Duration) {
	c.readBy = now() + int64(wait)
	_ = c.conn.SetReadDeadline(deadline(c.readBy))
}

// early says whether a read that began then met the deadline that was armed for it, and
// may go on as it has not waited too long. A deadline that is not ours ends the read; the
// next one has ours again.
func (c *clock) early(began int64) bool {
	armed := c.readBy
	c.readBy = never
	return now() >= armed && now() < c.readLimit(began)
}

// readError names the timeout that ended a read that began then. A deadline that is not ours
// stays what it is.
func (c *clock) readError(began int64, err error) error {
	at, t := now(), c.timeouts
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case at >= c.end:
		return &timeoutError{"request", t.Request, err}
	case t.Read > 0 && at >= began+int64(t.Read):
		return &timeoutError{"read", t.Read, err}
	case t.Idle > 0 && at >= max(began, c.last.Load())+int64(t.Idle):
		return &timeoutError{"idle", t.Idle, err}
	}
	return err
}

// writeError is readError for a write.
func (c *clock) writeError(err error) error {
	at, t := now(), c.timeouts
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) || at < c.writeBy.Load():
		return err
	case at >= c.end:
		return &timeoutError{"request", t.Request, err}
	}
	return &timeoutError{"write", t.Write, err}
}

// A timeoutError says which timeout has passed, as a configuration names it.
type timeoutError struct {
	name  string
	after time.Duration
	err   error // the connection's, which is [os.ErrDeadlineExceeded]
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("timeouts.%s of %s has passed", e.name, e.after)
}
func (e *timeoutError) Unwrap() error { return e.err }

// Timeout and Temporary are those of [net.Error].
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// beforeWrite arms the write deadline and returns how long it is away at least.
func (c *clock) beforeWrite() time.Duration {
	if c.timeouts.Write == 0 && c.end == never {
		return never
	}
	at, limit := now(), c.end
	if c.timeouts.Write > 0 {
		limit = min(limit, at+int64(c.timeouts.Write))
	}
	latest := c.latest(at, limit)
	if by := c.writeBy.Load(); by < limit || by > latest {
		c.writeBy.Store(latest)
		_ = c.conn.SetWriteDeadline(deadline(latest))
	}
	return time.Duration(limit - at)
}

// active notes that bytes went out.
func (c *clock) active() { c.last.Store(now()) }

// latest is when a deadline that was asked for limit, at the time began, may come. There
// is no slack behind never, nor behind the end of the request.
func (c *clock) latest(began, limit int64) int64 {
	slack := min(max(limit-began, 0)/8, int64(time.Second))
	if limit > never-slack {
		return c.end
	}
	return min(c.end, limit+slack)
}

// deadline is at as the time of a connection's deadline.
func deadline(at int64) time.Time {
	if at == never {
		return time.Time{}
	}
	return epoch.Add(time.Duration(at))
}

// now is the monotonic time in nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now()
