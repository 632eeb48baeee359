package framework

import (
	"sync"
	"time"
)

// serviceActions calls a server's ServiceActions; it does nothing where there is none.
type serviceActions struct {
	mu     sync.Mutex
	action func()
	ticker *time.Ticker
	ended  chan struct{}
}

func (s *BaseServer) startServiceActions() *serviceActions {
	a := &serviceActions{action: s.ServiceActions, ended: make(chan struct{})}
	if a.action == nil {
		return a
	}
	a.ticker = time.NewTicker(serviceInterval)
	go func() {
		for {
			select {
			case <-a.ticker.C:
				a.run()
			case <-a.ended:
				return
			}
		}
	}()
	return a
}

func (a *serviceActions) run() {
	if a.action == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.action()
}

func (a *serviceActions) stop() {
	if a.ticker != nil {
		a.ticker.Stop()
	}
	close(a.ended)
}
