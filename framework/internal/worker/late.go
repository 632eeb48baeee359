package worker

import (
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// killLate kills c unless stop is called within patience. The time before its hello, which has a bound of its own, does
// not count. When stop has returned c is not killed any more: it may have another task.
func (p *Pool) killLate(c *child, patience time.Duration) (stop func()) {
	began := conn.Now()
	var mu sync.Mutex
	var over bool
	var overdue *time.Timer
	mu.Lock()
	defer mu.Unlock()
	overdue = time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		if left := patience - time.Duration(conn.Now()-max(began, c.readyAt())); left > 0 {
			overdue.Reset(left)
			return
		}
		p.Log.Warn("child killed: its request has timed out", "pid", c.pid, "timeout", p.size.Request.String())
		c.kill()
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		overdue.Stop()
	}
}
