package supervisor

import (
	"errors"
	"io"
	"math/bits"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// An Outcome is how a request ended.
type Outcome string

// The outcomes.
const (
	OK       Outcome = "ok"
	Erred    Outcome = "error" // the handler returned one
	Panicked Outcome = "panic"
	TimedOut Outcome = "timeout"   // of the server
	PeerGone Outcome = "peer_gone" // the client left early
	Killed   Outcome = "killed"    // its process ended
	Cut      Outcome = "cut"       // the server stopped and waited no longer
	Unshaken Outcome = "handshake" // the client has not passed the handshake of TLS
)

// Outcomes are all of them.
var Outcomes = [...]Outcome{OK, Erred, Panicked, TimedOut, PeerGone, Killed, Cut, Unshaken}

// OutcomeOf classifies the end of a request.
func OutcomeOf(o framework.Outcome) Outcome {
	err, panicked := o.Err, (*framework.PanicError)(nil)
	switch {
	case errors.As(err, new(*framework.HandshakeError)):
		return Unshaken
	case err == nil, errors.Is(err, io.EOF):
		return OK
	case errors.As(err, &panicked):
		return Panicked
	case o.Cut, errors.Is(err, framework.ErrServerClosed):
		return Cut
	case errors.Is(err, framework.ErrWorkerGone):
		return Killed
	case errors.Is(err, framework.ErrPeerGone):
		return PeerGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		return TimedOut
	}
	return Erred
}

// Counters count what happens to the requests and workers of a server. They belong to its name,
// so that they never fall when an instance replaces another one. Any goroutine may use them.
type Counters struct {
	accepted, started, unstarted atomic.Int64 // unstarted: ended without having been started
	refused                      [len(framework.Refusals)]atomic.Int64
	sources                      refusedSources
	ended                        [len(Outcomes)]atomic.Int64
	in, out                      atomic.Int64 // bytes
	durations                    [DurationBuckets + 1]atomic.Int64
	duration                     atomic.Int64 // of all, in nanoseconds
	starts, deaths, failures     atomic.Int64 // of workers
	restarts                     atomic.Int64 // of the plugin's process
	unaccepted                   [len(acceptErrors)]atomic.Int64

	sample atomic.Uint64 // see [Supervisor.Sample]
}

// DurationBuckets is the number of buckets of durations: the first one is up to a microsecond,
// each other one is up to twice as much as the one before, and the last up to 134 seconds.
const DurationBuckets = 28

// bucket returns that of a duration; DurationBuckets: it is longer than all of them.
func bucket(d time.Duration) int {
	us := (d + time.Microsecond - 1) / time.Microsecond
	return min(bits.Len64(uint64(max(us-1, 0))), DurationBuckets)
}

// trace returns what counts. Nothing in it waits.
func (c *Counters) trace() framework.Trace {
	return framework.Trace{
		AcceptFailed: func(err error) { c.unaccepted[acceptError(err)].Add(1) },
		Accepted:     func(*framework.Request) { c.accepted.Add(1) },
		Refused: func(r *framework.Request, why framework.Refusal) {
			n := max(slices.Index(framework.Refusals[:], why), 0) // a worker of another build may have others
			c.refused[n].Add(1)
			c.sources.add(r.Source(), n)
		},
		Started: func(*framework.Request, framework.Place, int) { c.started.Add(1) },
		Ended: func(_ *framework.Request, o framework.Outcome) {
			c.in.Add(max(o.In, 0)) // less: nobody has counted them
			c.out.Add(max(o.Out, 0))
			c.duration.Add(int64(o.Duration))
			c.durations[bucket(o.Duration)].Add(1)
			if !o.Started {
				c.unstarted.Add(1)
			}
			c.ended[slices.Index(Outcomes[:], OutcomeOf(o))].Add(1)
		},
		Worker: func(e framework.WorkerEvent) {
			switch {
			case !e.Ended:
				c.starts.Add(1)
			case e.Err != nil:
				c.failures.Add(1)
				fallthrough
			default:
				c.deaths.Add(1)
			}
		},
	}
}

// Counts are the values of a server's [Counters]. Accepted is the sum of Refused, Ended and Active.
type Counts struct {
	Accepted int64                       `json:"accepted"`
	Refused  map[framework.Refusal]int64 `json:"refused"`
	Ended    map[Outcome]int64           `json:"ended"`
	Active   int64                       `json:"active"`  // neither refused nor ended
	Waiting  int64                       `json:"waiting"` // active, and not begun: it waits for a thread or a child
	In       int64                       `json:"in"`      // bytes that clients of ended requests have sent
	Out      int64                       `json:"out"`     // bytes that they were sent

	Durations [DurationBuckets + 1]int64 `json:"-"`           // requests by bucket; the last one is for longer ones
	Duration  time.Duration              `json:"duration_ns"` // the sum of all that have ended

	WorkerStarts   int64 `json:"worker_starts"`
	WorkerDeaths   int64 `json:"worker_deaths"`   // ended for any reason
	WorkerFailures int64 `json:"worker_failures"` // of these, those that were not done

	PluginRestarts int64            `json:"plugin_restarts"` // after its process had ended
	AcceptErrors   map[string]int64 `json:"accept_errors"`   // by the name of the system's error
}

// acceptErrors are the errors of accept that are told apart; the last one stands for all others.
var acceptErrors = [...]struct {
	name string
	is   error
}{
	{"EMFILE", syscall.EMFILE},
	{"ENFILE", syscall.ENFILE},
	{"ENOMEM", syscall.ENOMEM},
	{"ENOBUFS", syscall.ENOBUFS},
	{"ECONNABORTED", syscall.ECONNABORTED},
	{"EPERM", syscall.EPERM},
	{"other", nil},
}

func acceptError(err error) int {
	for i, e := range acceptErrors {
		if e.is != nil && errors.Is(err, e.is) {
			return i
		}
	}
	return len(acceptErrors) - 1
}

// A ServerCounts is the counts of one server, and what is true of it now.
type ServerCounts struct {
	Server, Strategy string
	Workers          int    // processes
	Overdue          int    // requests that run for longer than timeouts.request
	Plugin           string // whose process is kept; empty: there is none
	PluginUp         bool
	Counts
}

// Counts returns the counts of every server of the configuration, and then of those that have been
// removed and still drain.
func (s *Supervisor) Counts() []ServerCounts {
	var all []ServerCounts
	at := map[string]int{}
	for _, i := range s.all() {
		c := i.configuration()
		n, known := at[i.name]
		if !known {
			n, at[i.name] = len(all), len(all)
			all = append(all, ServerCounts{Server: i.name, Strategy: c.Concurrency.Kind})
		}
		all[n].Counts = i.counts() // the last instance of the server has counted the restarts of all
		if plugin, ok := i.class.Executor.(keptProcess); ok && !i.ended() {
			pid, _ := plugin.Process()
			all[n].Plugin, all[n].PluginUp = c.Handler.Name, all[n].PluginUp || pid != 0 && plugin.Problem() == nil
		}
		all[n].Workers += len(i.workers())
		all[n].Overdue += i.requests.count(c.Timeouts.Request).overdue
	}
	return all
}

// counts returns the counts of the server.
func (i *Instance) counts() Counts {
	i.class.countRestarts(i.counters)
	return i.counters.counts()
}

// countersOf returns the counters of the name of a server.
func (s *Supervisor) countersOf(server string) *Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters[server]
	if c == nil {
		c = &Counters{}
		s.counters[server] = c
	}
	return c
}

// counts returns the values. Those that grow first are read last, so that Active and Waiting are
// not too low while requests come and go.
func (c *Counters) counts() Counts {
	n := Counts{
		Refused: map[framework.Refusal]int64{}, Ended: map[Outcome]int64{},
		PluginRestarts: c.restarts.Load(), AcceptErrors: map[string]int64{},
		WorkerFailures: c.failures.Load(), WorkerDeaths: c.deaths.Load(), WorkerStarts: c.starts.Load(),
	}
	var ended, refused int64
	for i, o := range Outcomes {
		n.Ended[o] = c.ended[i].Load()
		ended += n.Ended[o]
	}
	for i, why := range framework.Refusals {
		n.Refused[why] = c.refused[i].Load()
		refused += n.Refused[why]
	}
	for i, e := range acceptErrors {
		n.AcceptErrors[e.name] = c.unaccepted[i].Load()
	}
	begun := c.unstarted.Load() + c.started.Load()
	for i := range c.durations {
		n.Durations[i] = c.durations[i].Load()
	}
	n.In, n.Out, n.Duration = c.in.Load(), c.out.Load(), time.Duration(c.duration.Load())
	n.Accepted = c.accepted.Load()
	n.Active, n.Waiting = n.Accepted-refused-ended, n.Accepted-refused-begun
	return n
}
