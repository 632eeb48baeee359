package conn

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Timeouts bound the reads and writes of a connection; zero means no bound. It has the
// fields of the framework's type of that name, so that a pointer to one converts to a
// pointer to the other.
type Timeouts struct {
	Idle, Read, Write, Request, Drain, Handshake time.Duration
	IdleIsDefault                                bool
}

// clock arms the deadlines of one connection. Arming costs more than reading the time, so a
// deadline is armed with slack and kept until it would fire too early.
type clock struct {
	conn     net.Conn
	timeouts *Timeouts
	end      int64 // of the whole request
	asked    int64 // when the handler asked for what it has not got yet
	readBy   int64 // the armed deadlines
	writeBy  atomic.Int64
	last     atomic.Int64 // when a byte was last written

	arming sync.Mutex // held while a deadline of reads is armed, or ended set
	ended  bool       // no deadline of reads is armed any more: one that is set stays
}

const never = math.MaxInt64

func (c *clock) start(conn net.Conn, t *Timeouts) {
	c.conn, c.timeouts = conn, t
	c.end, c.readBy = never, never
	c.writeBy.Store(never)
	c.last.Store(-never) // a test may set epoch ahead of the clock
	if t.Request > 0 {
		c.end = Now() + int64(t.Request)
	}
}

// ArmFirstRead arms the deadline of a connection's first read and returns it for
// [NewStream]. The accept loop calls it: arming takes more stack than a new goroutine has,
// and would cost every connection that waits for its client another 2 KiB.
func ArmFirstRead(conn net.Conn, t *Timeouts) int64 {
	var c clock
	c.start(conn, t)
	c.asked = Now()
	c.beforeRead(c.asked)
	return c.readBy
}

// readLimit returns the time at which a read that began then times out. Timeouts.Read is from
// when the handler asked, so that a client cannot renew it byte by byte.
func (c *clock) readLimit(began int64) int64 {
	limit := c.end
	if c.timeouts.Idle > 0 {
		limit = min(limit, max(began, c.last.Load())+int64(c.timeouts.Idle))
	}
	if c.timeouts.Read > 0 {
		limit = min(limit, c.asked+int64(c.timeouts.Read))
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
		c.armRead(latest)
	}
}

// readWithin makes the next read time out after wait.
func (c *clock) readWithin(wait time.Duration) { c.armRead(Now() + int64(wait)) }

func (c *clock) armRead(at int64) {
	c.arming.Lock()
	defer c.arming.Unlock()
	if c.readBy = at; !c.ended {
		_ = c.conn.SetReadDeadline(deadline(at))
	}
}

// endReads has no deadline of reads armed from here on.
func (c *clock) endReads() {
	c.arming.Lock()
	c.ended = true
	c.arming.Unlock()
}

// hasEnded reports whether reads have been ended.
func (c *clock) hasEnded() bool {
	c.arming.Lock()
	defer c.arming.Unlock()
	return c.ended
}

// early reports whether a read that began then met the deadline armed for it before any
// timeout has passed, so that it may be repeated. A deadline set by a handler ends the read;
// the next read arms the server's again.
func (c *clock) early(began int64) bool {
	armed := c.readBy
	c.readBy = never
	return Now() >= armed && Now() < c.readLimit(began)
}

// readError names the timeout that ended a read that began then. The error of a handler's
// own deadline is returned unchanged.
func (c *clock) readError(began int64, err error) error {
	at, t := Now(), c.timeouts
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case at >= c.end:
		return &TimeoutError{"request", t.Request, err}
	case t.Read > 0 && at >= c.asked+int64(t.Read):
		return &TimeoutError{"read", t.Read, err}
	case t.Idle > 0 && at >= max(began, c.last.Load())+int64(t.Idle):
		return &TimeoutError{"idle", t.Idle, err}
	}
	return err
}

// writeError is readError for a write.
func (c *clock) writeError(err error) error {
	at, t := Now(), c.timeouts
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded) || at < c.writeBy.Load():
		return err
	case at >= c.end:
		return &TimeoutError{"request", t.Request, err}
	}
	return &TimeoutError{"write", t.Write, err}
}

// A TimeoutError names the timeout that has passed, as a configuration spells it.
type TimeoutError struct {
	Name  string
	After time.Duration
	Err   error // of the connection; wraps [os.ErrDeadlineExceeded]
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("timeouts.%s of %s has passed", e.Name, e.After)
}
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout and Temporary implement [net.Error].
func (e *TimeoutError) Timeout() bool   { return true }
func (e *TimeoutError) Temporary() bool { return true }

// beforeWrite arms the write deadline and returns the least time until it.
func (c *clock) beforeWrite() time.Duration {
	if c.timeouts.Write == 0 && c.end == never {
		return never
	}
	at, limit := Now(), c.end
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

// active records that bytes were written.
func (c *clock) active() { c.last.Store(Now()) }

// latest returns the latest time at which a deadline wanted for limit may fire. There is no
// slack after never, nor after the end of the request.
func (c *clock) latest(began, limit int64) int64 {
	slack := min(max(limit-began, 0)/8, int64(time.Second))
	if limit > never-slack {
		return c.end
	}
	return min(c.end, limit+slack)
}

func deadline(at int64) time.Time {
	if at == never {
		return time.Time{}
	}
	return epoch.Add(time.Duration(at))
}

// Now returns the monotonic time in nanoseconds since the program started.
func Now() int64 { return int64(time.Since(epoch)) }

var epoch = time.Now()
