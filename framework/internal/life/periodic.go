package life

import (
	"sync"
	"time"
)

// Periodic calls a function when it is asked to and at every interval; calls do not overlap.
type Periodic struct {
	mu     sync.Mutex
	action func()
	ended  chan struct{}
}

// NewPeriodic begins to call action, until Stop; nil does nothing.
func NewPeriodic(interval time.Duration, action func()) *Periodic {
	p := &Periodic{action: action, ended: make(chan struct{})}
	if action != nil {
		go p.run(time.NewTicker(interval))
	}
	return p
}

func (p *Periodic) run(ticker *time.Ticker) {
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.Do()
		case <-p.ended:
			return
		}
	}
}

// Do calls the function now.
func (p *Periodic) Do() {
	if p.action == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.action()
}

// Stop ends the calls at intervals, without waiting for one that runs.
func (p *Periodic) Stop() { close(p.ended) }
