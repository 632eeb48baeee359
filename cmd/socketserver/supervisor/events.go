package supervisor

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// An Event is something that has happened to a server.
type Event struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // accepted, refused, started, ended, process started, process ended, state
	Server  string    `json:"server"`
	Request uint64    `json:"request,omitempty"` // its id
	Client  string    `json:"client,omitempty"`
	Pid     int       `json:"pid,omitempty"`
	Seconds float64   `json:"seconds,omitempty"` // of a request that has ended
	Detail  string    `json:"detail,omitempty"`  // the outcome, the reason or the state
}

func workerEvent(server string, e framework.WorkerEvent) Event {
	event := Event{Kind: "process started", Server: server, Pid: e.Pid}
	if e.Ended {
		event.Kind = "process ended"
	}
	if e.Err != nil {
		event.Detail = e.Err.Error()
	}
	return event
}

// Events passes events on to those that watch. While nobody does an event costs one load.
type Events struct {
	watching atomic.Int32

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// maxEvents is the number of events that a watcher can be behind.
const maxEvents = 512

// A Watcher collects events until they are taken. It never holds up what happens: beyond 512 events
// it counts those that are lost.
type Watcher struct {
	of     *Events
	events []Event
	lost   int
}

// emit passes on what event returns, if somebody watches.
func (e *Events) emit(event func() Event) {
	if e.watching.Load() == 0 {
		return
	}
	happened := event()
	happened.At = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watchers {
		if len(w.events) == maxEvents {
			w.lost++
			continue
		}
		w.events = append(w.events, happened)
	}
}

// Watch begins to collect events. The caller closes the watcher.
func (s *Supervisor) Watch() *Watcher {
	e := s.events
	w := &Watcher{of: e}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watchers == nil {
		e.watchers = map[*Watcher]struct{}{}
	}
	e.watchers[w] = struct{}{}
	e.watching.Store(int32(len(e.watchers)))
	return w
}

// Take returns the events since the last call, and how many were lost among the latest.
func (w *Watcher) Take() (events []Event, lost int) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	events, lost = w.events, w.lost
	w.events, w.lost = nil, 0
	return events, lost
}

// Close ends the collection.
func (w *Watcher) Close() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	delete(w.of.watchers, w)
	w.of.watching.Store(int32(len(w.of.watchers)))
}
