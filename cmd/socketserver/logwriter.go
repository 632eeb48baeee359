package main

import (
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	maxUnread  = 1 << 20                // bytes of the log that wait to be written
	logWait    = 20 * time.Millisecond  // for one line to be written
	flushLimit = 300 * time.Millisecond // for all of them, at the end
)

// A logWriter writes lines to out and never waits long for it: a log that is not read delays
// nothing. As long as out takes them a line has been written when Write returns, so that a crash
// loses none. Otherwise lines wait in memory, and those beyond maxUnread are dropped and counted.
type logWriter struct {
	out io.Writer

	mu      sync.Mutex
	own     hclog.Logger // to out, for the number of lines dropped; nil: it is not logged
	waiting []byte
	dropped int
	stuck   bool          // the last line was not written in time
	written chan struct{} // closed when all has been written; nil: all has been
}

// report has the number of lines dropped logged as o says.
func (w *logWriter) report(o *hclog.LoggerOptions) {
	own := *o
	own.Output = w.out
	w.mu.Lock()
	defer w.mu.Unlock()
	w.own = hclog.New(&own)
}

// Write writes p, which is whole lines, or queues it.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	if w.stuck && len(w.waiting)+len(p) > maxUnread {
		w.dropped++
		w.mu.Unlock()
		return len(p), nil
	}
	w.waiting = append(w.waiting, p...)
	if w.written == nil {
		w.written = make(chan struct{})
		go w.drain()
	}
	wait := logWait
	if w.stuck {
		wait = 0
	}
	w.mu.Unlock()
	if wait > 0 && !w.flush(wait) {
		w.mu.Lock()
		w.stuck = w.written != nil
		w.mu.Unlock()
	}
	return len(p), nil
}

// flush waits until all has been written, and reports whether it has been.
func (w *logWriter) flush(limit time.Duration) bool {
	w.mu.Lock()
	written := w.written
	w.mu.Unlock()
	if written == nil {
		return true
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-written:
		return true
	case <-late.C:
		return false
	}
}

// drain writes until nothing waits.
func (w *logWriter) drain() {
	for {
		w.mu.Lock()
		p, dropped, log := w.waiting, w.dropped, w.own
		w.waiting, w.dropped = nil, 0
		if len(p) == 0 && dropped == 0 {
			close(w.written)
			w.written, w.stuck = nil, false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		_, _ = w.out.Write(p)
		if dropped > 0 && log != nil {
			log.Warn("log lines dropped: the log was not read", "lines", dropped)
		}
	}
}
