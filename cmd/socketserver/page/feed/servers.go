package feed

import (
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// Servers returns the source of what the servers of a supervisor do.
func Servers(s *supervisor.Supervisor) Source { return servers{s} }

type servers struct{ of *supervisor.Supervisor }

func (s servers) Begin(clock func(time.Time) float64) Collector {
	c := &collector{of: s.of, clock: clock, watcher: s.of.WatchSample(), servers: map[string]*server{}, memory: memory{}, self: os.Getpid()}
	for _, r := range s.of.Requests("") { // what was there before
		c.server(r.Server).conns[r.ID] = &conn{peer: r.Client, pid: r.Pid, accepted: r.Since, started: r.Since}
	}
	return c
}

// A collector follows the servers of a supervisor.
type collector struct {
	of      *supervisor.Supervisor
	clock   func(time.Time) float64
	watcher *supervisor.Watcher
	servers map[string]*server
	memory  memory
	self    int
}

// A server is what is remembered of one.
type server struct {
	conns  map[uint64]*conn // of the sample, by their ids
	deaths map[int]*death   // of processes
	past   past
	sample int
	row    Row // the latest

	restarts int64 // of the plugin's process
}

// A conn is a connection, or a datagram, under way.
type conn struct {
	peer              string
	pid               int // 0: it waits
	accepted, started time.Time
}

func (c *collector) server(name string) *server {
	s := c.servers[name]
	if s == nil {
		s = &server{conns: map[uint64]*conn{}, deaths: map[int]*death{}, sample: 1}
		c.servers[name] = s
	}
	return s
}

func (c *collector) End() {
	c.watcher.Close()
	for name := range c.servers {
		c.of.Sample(name, 1)
	}
}

func (c *collector) Collect() (rows []Row, events []Event, lost int) {
	happened, lost := c.watcher.Take()
	for _, e := range happened {
		events = append(events, c.server(e.Server).take(e, c.clock(e.At), c.self)...)
	}
	now := time.Now()
	names := map[string]bool{}
	rows = []Row{}
	for _, v := range c.of.Views() {
		s := c.server(v.Name)
		names[v.Name] = true
		events = append(events, s.bury()...)
		was := s.row
		s.past.add(now, v.Counts)
		s.row = c.row(v, s, now)
		if was.Name != "" {
			events = append(events, s.restarted(was, c.clock(now))...)
		}
		if s.row.Sample != s.sample {
			s.sample = s.row.Sample
			c.of.Sample(v.Name, s.sample)
			maps.DeleteFunc(s.conns, func(id uint64, _ *conn) bool { return id%uint64(s.sample) != 0 })
		}
		rows = append(rows, s.row)
	}
	for name := range c.servers {
		if !names[name] { // a reload has removed it
			c.of.Sample(name, 1)
			delete(c.servers, name)
		}
	}
	if lost > 0 { // which may have been ends
		c.forget()
	}
	c.memory.forget(now)
	return rows, events, lost
}

// forget removes the connections that are over.
func (c *collector) forget() {
	open := map[uint64]bool{}
	for _, r := range c.of.Requests("") {
		open[r.ID] = true
	}
	for _, s := range c.servers {
		maps.DeleteFunc(s.conns, func(id uint64, _ *conn) bool { return !open[id] })
	}
}

// row makes the table's row of a server.
func (c *collector) row(v supervisor.View, s *server, now time.Time) Row {
	n := v.Counts
	r := Row{
		Name: v.Name, State: stateOf(v.State), Cause: v.Problem, Strategy: v.Strategy, Handler: v.Handler, Plugin: v.Config.Handler.Kind == "plugin",
		Pid: c.self, RSS: c.memory.of(c.self, now), Active: int(max(n.Active-n.Waiting, 0)), Waiting: int(max(n.Waiting, 0)), Limit: v.Config.Limits.Connections, Queue: v.Queued, Backlog: v.Capacity,
		Accepted: n.Accepted, Answered: n.Ended[supervisor.OK], Cut: n.Ended[supervisor.Killed] + n.Ended[supervisor.Cut],
		Errors: v.Failed, Started: n.WorkerStarts, Restarts: s.restarts + n.WorkerFailures, Overdue: v.Overdue, Refused: map[string]int64{},
		Max: v.Config.Concurrency.Processes(), Children: []Child{}, Listen: []string{},
	}
	_, web := v.WebSocket()
	r.Chat = web && v.Handler == "chat"
	for why, count := range n.Refused {
		if count > 0 {
			r.Refused[string(why)] = count
		}
	}
	for _, l := range v.Listeners {
		r.Listen = append(r.Listen, l.URL())
	}
	lives := 0
	if v.Strategy == "forking" {
		lives = v.Config.Concurrency.MaxRequests
	}
	for _, p := range v.Workers {
		r.Children = append(r.Children, c.child(p, lives, now))
	}
	if v.Plugin != nil {
		r.Children = append(r.Children, c.child(*v.Plugin, 0, now))
	}
	slices.SortFunc(r.Children, func(a, b Child) int { return a.Pid - b.Pid })
	r.Rate, r.P50, r.P99, r.Seen = s.past.figures()
	r.Sample = sampleOf(r.Seen)
	return r
}

func (c *collector) child(p supervisor.Process, lives int, now time.Time) Child {
	age := 0.0
	if !p.Since.IsZero() {
		age = math.Round(float64(now.Sub(p.Since).Milliseconds()))
	}
	return Child{Pid: p.Pid, Kind: p.Kind, Age: age, RSS: c.memory.of(p.Pid, now), Served: p.Served, Max: lives, Active: p.Active}
}

// stateOf returns a state in the words of frames.
func stateOf(s supervisor.State) string {
	if s == supervisor.Starting {
		s = supervisor.Serving
	}
	return string(s)
}

// restarted returns the events of a plugin's process that is another one than before.
func (s *server) restarted(was Row, t float64) (events []Event) {
	before, after := pluginOf(was), pluginOf(s.row)
	if before.Pid == after.Pid {
		return nil
	}
	if before.Pid != 0 {
		events = append(events, Event{T: t, S: was.Name, K: "died", Pid: before.Pid, Cause: s.row.Cause})
	}
	if after.Pid != 0 {
		events = append(events, Event{T: t, S: was.Name, K: "born", Pid: after.Pid, Kind: after.Kind, RSS: after.RSS})
	}
	if before.Pid != 0 && after.Pid != 0 {
		s.restarts++
		events = append(events, Event{T: t, S: was.Name, K: "plugin", Restarts: s.restarts})
	}
	return events
}

// pluginOf returns the process of the plugin of a server; the zero value: it has none.
func pluginOf(r Row) Child {
	for _, c := range r.Children {
		if c.Kind == "plugin" {
			return c
		}
	}
	return Child{}
}

func (c *collector) Open(name string) []uint64 {
	if s := c.servers[name]; s != nil {
		return slices.Sorted(maps.Keys(s.conns))
	}
	return nil
}

func (c *collector) Rates(name string) []float64 {
	if s := c.servers[name]; s != nil {
		return s.past.rates
	}
	return nil
}

// drawn is the number of connections of a server that a page draws at most.
const drawn = 600

func (c *collector) Recall() (events []Event) {
	for name, s := range c.servers {
		events = append(events, Event{S: name, K: "born", Pid: s.row.Pid, Kind: "main", RSS: s.row.RSS})
		at := c.clock(time.Now())
		for _, p := range s.row.Children {
			events = append(events, Event{T: max(at-p.Age, 0), S: name, K: "born", Pid: p.Pid, Kind: p.Kind, RSS: p.RSS})
		}
		for _, id := range slices.Sorted(maps.Keys(s.conns))[:min(len(s.conns), drawn)] {
			n := s.conns[id]
			events = append(events, Event{T: c.clock(n.accepted), S: name, K: "accepted", C: id, Peer: n.peer})
			if n.pid != 0 {
				events = append(events, Event{T: c.clock(n.started), S: name, K: "started", C: id, Pid: n.pid, Where: whereOf(n.pid, c.self)})
			}
		}
	}
	return events
}

// whereOf returns where the process pid is for the one that has the loop.
func whereOf(pid, self int) string {
	if pid == self {
		return "goroutine"
	}
	return "process"
}
