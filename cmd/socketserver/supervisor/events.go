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
	In      int64     `json:"in,omitempty"`      // bytes that the client of a request that has ended has sent
	Out     int64     `json:"out,omitempty"`     // bytes that it was sent
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
	whole    atomic.Int32 // of these, watchers of all events

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// maxEvents and maxSampled are the numbers of events that a watcher can be behind.
const maxEvents, maxSampled = 512, 8192

// A Watcher collects events until they are taken. It never holds up what happens: beyond a number of
// events it counts those that are lost.
type Watcher struct {
	of      *Events
	sampled bool // see [Supervisor.Sample]
	events  []Event
	lost    int
}

// emit passes on what event returns, if there are watchers. inSample reports whether it is of the sample
// of its server.
func (e *Events) emit(inSample bool, event func() Event) {
	if e.watching.Load() == 0 || !inSample && e.whole.Load() == 0 {
		return
	}
	happened := event()
	happened.At = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watchers {
		most := maxEvents
		if w.sampled {
			if most = maxSampled; !inSample {
				continue
			}
		}
		if len(w.events) == most {
			w.lost++
			continue
		}
		w.events = append(w.events, happened)
	}
}

// emit passes on an event of a request, which is of the sample of its server or not.
func (i *Instance) emit(request uint64, event func() Event) {
	if i.events.watching.Load() != 0 {
		i.events.emit(i.counters.samples(request), event)
	}
}

// Watch begins to collect all events. The caller closes the watcher.
func (s *Supervisor) Watch() *Watcher { return s.events.watch(&Watcher{}) }

// WatchSample is Watch without those of requests that are not in the sample of their server.
func (s *Supervisor) WatchSample() *Watcher { return s.events.watch(&Watcher{sampled: true}) }

// Sample makes the sample of a server the requests with a number that n divides; 1, the default: all
// of them. Where there are several watchers of samples they share it.
func (s *Supervisor) Sample(server string, n int) {
	s.countersOf(server).sample.Store(uint64(n))
}

// samples reports whether a request is in the sample.
func (c *Counters) samples(request uint64) bool {
	n := c.sample.Load()
	return n <= 1 || request%n == 0
}

func (e *Events) watch(w *Watcher) *Watcher {
	w.of = e
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.watchers == nil {
		e.watchers = map[*Watcher]struct{}{}
	}
	e.watchers[w] = struct{}{}
	e.count()
	return w
}

// count stores the numbers of watchers. e.mu is held.
func (e *Events) count() {
	whole := 0
	for w := range e.watchers {
		if !w.sampled {
			whole++
		}
	}
	e.whole.Store(int32(whole))
	e.watching.Store(int32(len(e.watchers)))
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
	w.of.count()
}
