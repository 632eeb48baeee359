// Package life is the life of a server: it is open, takes requests in one loop at a time,
// retires, stops, and is over when its last request is. What a request is does not matter.
package life

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Life is that of one server whose requests are R. Init comes before everything else.
type Life[R comparable] struct {
	once sync.Once

	context context.Context // cancelled by Stop and at the end
	cancel  context.CancelFunc

	retired  chan struct{} // closed by Retire and Stop
	stopped  chan struct{} // closed by Stop
	cut      chan struct{} // closed by Cut
	finished chan struct{} // closed when nothing is left

	mu     sync.Mutex
	close  func()         // called when it retires; nil: not open
	loop   chan struct{}  // closed when the loop that runs now has left; nil: none runs
	active map[R]struct{} // those that can be ended by force
	kill   func(R)

	count    atomic.Int64
	requests sync.WaitGroup
}

// Init begins the life, once, and calls first then. kill ends a request by force.
func (l *Life[R]) Init(kill func(R), first func()) {
	l.once.Do(func() {
		l.context, l.cancel = context.WithCancel(context.Background())
		l.retired, l.stopped = make(chan struct{}), make(chan struct{})
		l.cut, l.finished = make(chan struct{}), make(chan struct{})
		l.active = map[R]struct{}{}
		l.kill = kill
		first()
	})
}

// Context is cancelled when the server stops, and when it is over.
func (l *Life[R]) Context() context.Context { return l.context }

// Retired is closed when no more requests are taken.
func (l *Life[R]) Retired() <-chan struct{} { return l.retired }

// Stopped is closed when the server has been told to stop.
func (l *Life[R]) Stopped() <-chan struct{} { return l.stopped }

// Cutting is closed when what still runs is ended by force.
func (l *Life[R]) Cutting() <-chan struct{} { return l.cut }

// Finished is closed when nothing of the server is left.
func (l *Life[R]) Finished() <-chan struct{} { return l.finished }

// Open makes the server open, unless it has retired: whatever it has opened is the caller's to
// close then. closing is called when it retires.
func (l *Life[R]) Open(closing func()) (ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if Closed(l.retired) {
		return false
	}
	l.close = closing
	return true
}

// IsOpen reports whether Open has succeeded.
func (l *Life[R]) IsOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.close != nil
}

// Loop begins a loop, whose end the caller reports by calling leave. It is nil where another
// loop runs or the server has retired.
func (l *Life[R]) Loop() (leave func(), retired bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if Closed(l.retired) {
		return nil, true
	}
	if l.loop != nil {
		return nil, false
	}
	loop := make(chan struct{})
	l.loop = loop
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(loop)
		l.loop = nil
	}, false
}

// Stop cancels the context and retires.
func (l *Life[R]) Stop(drained func(opened bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if Closed(l.stopped) {
		return
	}
	close(l.stopped)
	l.cancel()
	l.retire(drained)
}

// Retire closes what takes requests. drained is called when the last request is over; opened
// reports whether the server was open.
func (l *Life[R]) Retire(drained func(opened bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retire(drained)
}

func (l *Life[R]) retire(drained func(opened bool)) {
	if Closed(l.retired) {
		return
	}
	close(l.retired)
	if l.close != nil {
		l.close()
	}
	go l.drain(l.loop, l.close != nil, drained)
}

// drain waits for the loop before it waits for the requests: until then there may be one
// more.
func (l *Life[R]) drain(loop chan struct{}, opened bool, drained func(opened bool)) {
	if loop != nil {
		<-loop
	}
	l.requests.Wait()
	drained(opened)
	l.cancel()
	close(l.finished)
}

// Cut ends by force what runs and what is about to. It does not wait for that.
func (l *Life[R]) Cut() {
	l.mu.Lock()
	if !Closed(l.cut) {
		close(l.cut)
	}
	active := make([]R, 0, len(l.active))
	for r := range l.active {
		active = append(active, r)
	}
	l.mu.Unlock()
	for _, r := range active {
		go l.kill(r) // one that takes its time keeps no other alive
	}
}

// Active returns the number of requests that are counted.
func (l *Life[R]) Active() int { return int(l.count.Load()) }

// Count counts a request until Uncount. The server is not over before.
func (l *Life[R]) Count() {
	l.requests.Add(1)
	l.count.Add(1)
}

// Uncount undoes Count.
func (l *Life[R]) Uncount() {
	l.count.Add(-1)
	l.requests.Done()
}

// Enter keeps the server from being over until Leave, without counting r, which Cut kills.
func (l *Life[R]) Enter(r R) {
	l.requests.Add(1)
	l.Remember(r)
}

// Leave undoes Enter, but for Remember.
func (l *Life[R]) Leave() { l.requests.Done() }

// Remember has Cut kill r, until Forget. If that has been it kills r now.
func (l *Life[R]) Remember(r R) {
	l.mu.Lock()
	l.active[r] = struct{}{}
	late := Closed(l.cut)
	l.mu.Unlock()
	if late {
		go l.kill(r) // see Cut
	}
}

// Forget undoes Remember.
func (l *Life[R]) Forget(r R) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.active, r)
}

// Closed reports whether c is closed. Nothing is ever sent to it.
func Closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
