package sink

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	maxShown = 1024 // bytes of a message
	maxRate  = 10   // messages in an interval
	interval = time.Second
)

// A record bounds what the sinks of one class log: the first messages of every interval
// are shown, the others are counted and told at its end. Clients, who decide how much
// arrives, could otherwise fill the disk.
type record struct {
	mu     sync.Mutex
	began  time.Time // the interval
	shown  int
	hidden int
	bytes  int
	log    hclog.Logger // of the request whose message was the first to be hidden
	timer  *time.Timer  // tells what is hidden; nil: nothing is
}

// admit says whether a message of so many bytes is to be shown. log is only called where
// it is not.
func (r *record) admit(length int, log func() hclog.Logger) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := time.Now(); at.Sub(r.began) >= interval {
		r.tell()
		r.began, r.shown = at, 0
	}
	if r.shown < maxRate {
		r.shown++
		return true
	}
	if r.timer == nil {
		r.log = log()
		r.timer = time.AfterFunc(interval-time.Since(r.began), func() { _ = r.close() })
	}
	r.hidden++
	r.bytes += length
	return false
}

func (r *record) tell() {
	if r.timer == nil {
		return
	}
	r.timer.Stop()
	r.log.Warn("received more than is shown", "messages", r.hidden, "bytes", r.bytes)
	r.timer, r.log, r.hidden, r.bytes = nil, nil, 0, 0
}

// close tells what has not been told.
func (r *record) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell()
	return nil
}
