package logline

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	maxRate    = 200 // lines a second
	maxCrashes = 20  // crashes a second, on top: they matter most when much is printed
)

// A Budget bounds the rate at which relays log. Those that share one are bounded
// together, as when a process is started for each request. The zero value is ready.
type Budget struct {
	mu      sync.Mutex
	began   time.Time // the second
	lines   int
	crashes int
	dropped int
	log     hclog.Logger // of the relay whose line was the first to be dropped
	timer   *time.Timer  // tells what is dropped; nil: nothing is
}

// NewRelay makes a relay to log that is bounded by b.
func (b *Budget) NewRelay(log hclog.Logger) *Relay { return &Relay{log: log, budget: b} }

// Tell logs how many lines have been dropped, if any. That happens by itself within a
// second; this is for the end of what shares the budget.
func (b *Budget) Tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell()
}

func (b *Budget) line(log hclog.Logger) bool  { return b.admit(&b.lines, maxRate, log) }
func (b *Budget) crash(log hclog.Logger) bool { return b.admit(&b.crashes, maxCrashes, log) }

// admit says whether one more of what used counts may be logged.
func (b *Budget) admit(used *int, most int, log hclog.Logger) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := time.Now(); at.Sub(b.began) >= time.Second {
		b.tell()
		b.began, b.lines, b.crashes = at, 0, 0
	}
	if *used < most {
		*used++
		return true
	}
	if b.timer == nil {
		b.log = log
		b.timer = time.AfterFunc(time.Second-time.Since(b.began), b.Tell)
	}
	b.dropped++
	return false
}

func (b *Budget) tell() {
	if b.timer == nil {
		return
	}
	b.timer.Stop()
	b.log.Warn("log lines dropped: too much is printed", "lines", b.dropped)
	b.timer, b.log, b.dropped = nil, nil, 0
}
