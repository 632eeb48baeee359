package framework

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/nowait"
)

// A monitor has the runtime's monitor thread look at a worker, which takes the processor from a
// goroutine that only computes: a handler that does would keep everything else in the process
// from running, as what tells it that it is cancelled.
//
// The thread sleeps while the process does, and a system call of package syscall wakes it. That
// costs a third of a short request, so those of such a request are made without, see [nowait.Monitor].
// It also wakes when a timer is due, so there is one while requests follow each other closely.
type monitor struct {
	awake atomic.Bool // or about to wake

	mu    sync.Mutex
	timer *time.Timer // nil: no request has ended yet
}

// nap is how long the thread may sleep while a handler computes.
const nap = 50 * time.Millisecond

// begin is for the begin of a request.
func (m *monitor) begin() {
	if !m.awake.Load() {
		nowait.Monitor()
	}
}

// end is for the end of one.
func (m *monitor) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.awake.Store(true)
	if m.timer == nil {
		m.timer = time.AfterFunc(nap, func() { m.awake.Store(false) })
		return
	}
	m.timer.Reset(nap)
}
