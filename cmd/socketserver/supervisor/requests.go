package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A Request is one that is under way.
type Request struct {
	ID      uint64    `json:"id"`
	Server  string    `json:"server"`
	Network string    `json:"network"`
	Client  string    `json:"client"`
	Pid     int       `json:"pid"`     // of the process in which it runs; 0: it waits
	Since   time.Time `json:"since"`   // when it was accepted
	Overdue bool      `json:"overdue"` // it runs for longer than it may, and has not ended
}

// A Process runs requests of a server.
type Process struct {
	Pid    int       `json:"pid"`
	Kind   string    `json:"kind"`   // child, worker or plugin
	Since  time.Time `json:"since"`  // when it was started
	Served int64     `json:"served"` // requests that have ended in it
	Active int       `json:"active"` // requests that run in it
}

// lastRequest is the number of the request that was accepted last by any server.
var lastRequest atomic.Uint64

// requests are those of an instance that are under way, and the processes that run them. Any
// goroutine may use them.
type requests struct {
	mu        sync.Mutex
	open      map[*framework.Request]*running
	none      chan struct{}    // closed when none is open; nil: nobody waits for that
	processes map[int]*Process // those that were started for the instance, and plugins that have served
}

// running is what is known of a request.
type running struct {
	id    uint64
	pid   int
	since time.Time // when it was accepted
	began time.Time // when it began to run
}

// overtime is the time that a handler has to notice that its request has timed out.
const overtime = time.Second

// overdue reports whether the handler goes on although its request has timed out; 0: it may take any
// time.
func (n *running) overdue(request time.Duration) bool {
	return request > 0 && n.pid != 0 && time.Since(n.began) > request+overtime
}

func newRequests() *requests {
	return &requests{open: map[*framework.Request]*running{}, processes: map[int]*Process{}}
}

func clientOf(r *framework.Request) string { return framework.AddressText(r.ClientAddress) }

// accept adds r and returns its number.
func (q *requests) accept(r *framework.Request) uint64 {
	n := &running{id: lastRequest.Add(1), since: time.Now()}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open[r] = n
	return n.id
}

// start records where r runs, and returns its number.
func (q *requests) start(r *framework.Request, pid int) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.open[r]
	if n == nil {
		return 0
	}
	n.pid, n.began = pid, time.Now()
	return n.id
}

// end removes r, which ran in the process pid, and returns its number.
func (q *requests) end(r *framework.Request, pid int) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.open[r]
	if n == nil {
		return 0
	}
	delete(q.open, r)
	if len(q.open) == 0 && q.none != nil {
		close(q.none)
		q.none = nil
	}
	if n.pid == 0 || pid == 0 {
		return n.id
	}
	if q.processes[pid] == nil {
		q.processes[pid] = &Process{Pid: pid}
	}
	q.processes[pid].Served++
	return n.id
}

// worker records the start or the end of a process.
func (q *requests) worker(e framework.WorkerEvent) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Ended {
		delete(q.processes, e.Pid)
	} else {
		q.processes[e.Pid] = &Process{Pid: e.Pid, Since: time.Now()}
	}
}

// A tally is of the requests that are under way.
type tally struct {
	active  int // all
	waiting int // of these, those that wait to be run
	overdue int // of these, those that run for longer than they may
}

// count returns the tally at one moment. request is the time that a request may take; 0: any.
func (q *requests) count(request time.Duration) tally {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := tally{active: len(q.open)}
	for _, n := range q.open {
		switch {
		case n.pid == 0:
			t.waiting++
		case n.overdue(request):
			t.overdue++
		}
	}
	return t
}

// await waits until none is under way.
func (q *requests) await(ctx context.Context) error {
	for {
		q.mu.Lock()
		n := len(q.open)
		if q.none == nil {
			q.none = make(chan struct{})
		}
		none := q.none
		q.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-none:
		case <-ctx.Done():
			return underWay(n)
		}
	}
}

// underWay is the error of a wait for requests that has ended early.
func underWay(n int) error { return errors.New(text.Counted(n, "request") + " still under way") }

// list returns the requests of a server, in no order.
func (q *requests) list(server string, request time.Duration) []Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Request, 0, len(q.open))
	for r, n := range q.open {
		all = append(all, Request{n.id, server, r.Network, clientOf(r), n.pid, n.since, n.overdue(request)})
	}
	return all
}

// find returns the request of a number, and where it runs; nil: there is none.
func (q *requests) find(id uint64) (*framework.Request, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for r, n := range q.open {
		if n.id == id {
			return r, n.pid
		}
	}
	return nil, 0
}

// of returns the processes that live, whose ids are pids.
func (q *requests) of(pids []int, kind string) []Process {
	q.mu.Lock()
	defer q.mu.Unlock()
	all, active := make([]Process, 0, len(pids)), map[int]int{}
	if len(pids) > 0 {
		for _, n := range q.open {
			active[n.pid]++
		}
	}
	for _, pid := range pids {
		p := Process{Pid: pid}
		if known := q.processes[pid]; known != nil {
			p = *known
		}
		p.Kind, p.Active = kind, active[pid]
		all = append(all, p)
	}
	return all
}

// follow returns what keeps the requests, and passes all on to next, whose functions are set.
func (i *Instance) follow(next framework.Trace) framework.Trace {
	q, self := i.requests, os.Getpid()
	return framework.Trace{
		Accepted: func(r *framework.Request) {
			next.Accepted(r)
			id := q.accept(r)
			i.emit(id, func() Event { return Event{Kind: "accepted", Server: i.name, Request: id, Client: clientOf(r)} })
		},
		Refused: func(r *framework.Request, why framework.Refusal) {
			next.Refused(r, why)
			id := q.end(r, 0)
			i.emit(id, func() Event {
				return Event{Kind: "refused", Server: i.name, Request: id, Client: clientOf(r), Detail: string(why)}
			})
		},
		Started: func(r *framework.Request, at framework.Place, pid int) {
			next.Started(r, at, pid)
			i.class.serve()
			if pid == 0 {
				pid = self
			}
			id := q.start(r, pid)
			i.emit(id, func() Event { return Event{Kind: "started", Server: i.name, Request: id, Pid: pid} })
		},
		Ended: func(r *framework.Request, o framework.Outcome) {
			next.Ended(r, o)
			id := q.end(r, o.Pid)
			i.emit(id, func() Event {
				return Event{Kind: "ended", Server: i.name, Request: id, Client: clientOf(r), Pid: o.Pid, Detail: string(OutcomeOf(o)), Seconds: o.Duration.Seconds(), In: max(o.In, 0), Out: max(o.Out, 0)}
			})
		},
		Worker: func(e framework.WorkerEvent) {
			next.Worker(e)
			q.worker(e)
			i.events.emit(true, func() Event { return workerEvent(i.name, e) })
		},
	}
}

// Requests returns the requests under way of one server, or of all if name is empty, in the order in
// which they were accepted.
func (s *Supervisor) Requests(name string) []Request {
	all := []Request{}
	for _, i := range s.all() {
		if name == "" || i.name == name {
			all = append(all, i.requests.list(i.name, i.configuration().Timeouts.Request)...)
		}
	}
	slices.SortFunc(all, func(a, b Request) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// KillRequest ends a request by force. One in a process that has others is refused.
func (s *Supervisor) KillRequest(id uint64) error {
	for _, i := range s.all() {
		r, pid := i.requests.find(id)
		if r == nil {
			continue
		}
		if _, alone := i.strategy.(interface{ OneRequestEach() }); !alone && pid != 0 && pid != os.Getpid() {
			return fmt.Errorf("request %d cannot be killed alone, as process %d may have others; to end them all: kill -KILL %d", id, pid, pid)
		}
		i.log.Info("request killed by the operator", "id", id, "client", clientOf(r), "pid", pid)
		r.Kill()
		return nil
	}
	return fmt.Errorf("there is no request %d under way; see socketserver ps", id)
}
