package worker

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/patience"
)

// Takers are the processes that take requests of a socket themselves. The zero value has none.
type Takers struct {
	mu  sync.Mutex
	all map[*Process]chan struct{} // closed when it takes no more
}

// retirePatience is how long a process may take to say that it takes no more requests. Plugins that were built
// with an early version of this package do not say it.
const retirePatience = time.Second

func (t *Takers) enter(p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[*Process]chan struct{}{}
	}
	t.all[p] = make(chan struct{})
}

// leave is called once p takes no more, and again when it is over.
func (t *Takers) leave(p *Process) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if retired, ok := t.all[p]; ok {
		close(retired)
		delete(t.all, p)
	}
}

// Wait waits until no process takes requests any more, after they were asked to retire; for a moment where one
// does not acknowledge that.
func (t *Takers) Wait() {
	t.mu.Lock()
	all := maps.Clone(t.all)
	t.mu.Unlock()
	var waiting sync.WaitGroup
	for p, retired := range all {
		waiting.Go(func() {
			ctx, cancel := patience.WithTimeout(context.Background(), retirePatience, func() int { return p.pid })
			defer cancel()
			select {
			case <-retired:
			case <-ctx.Done():
			}
		})
	}
	waiting.Wait()
}
