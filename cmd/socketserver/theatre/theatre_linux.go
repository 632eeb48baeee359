// Package theatre runs the same clients at two servers that differ in their strategy, each in processes
// of its own, and tells a page what happens to them.
//
// A [Theatre] is the source of the page's feed: it follows the frames that its servers make of themselves,
// and adds what it knows itself, which are the clients, and the death of a server, which that cannot
// report.
package theatre

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
)

// Mishaps is what the handler that misbehaves is called on the page.
const Mishaps = "mishaps"

// A Theatre has two servers and their clients.
type Theatre struct {
	Feed *feed.Feed

	ctx     context.Context
	pace    float64 // of what clients take, 1 for people to see it
	message string  // what clients send to a handler that is not that of the mishaps
	sides   []*side
	clients sync.WaitGroup

	mu     sync.Mutex
	last   int // number of the client that came last
	events []feed.Event
	lost   int
	taken  bool // events are collected
}

// New returns a theatre of servers, which are started by Start. Where a handler is not to misbehave,
// clients send it the message.
func New(ctx context.Context, specs []subject.Spec, message string) *Theatre {
	t := &Theatre{ctx: ctx, pace: 1, message: message}
	t.Feed = feed.New(t, feed.Period, 0)
	for _, spec := range specs {
		spec.Server = prepare(spec.Server)
		spec.Clock = t.Feed.Epoch().UnixNano()
		s := &side{of: t, name: "theatre/" + spec.Name, spec: spec}
		s.row = feed.Row{
			Name: s.name, Strategy: spec.Server.Concurrency.Kind, Handler: handlerOf(spec), Theatre: true, Sample: 1,
			State: "stopped", Listen: []string{}, Children: []feed.Child{}, Refused: map[string]int64{},
		}
		t.sides = append(t.sides, s)
	}
	return t
}

// Request is the time that a request may take, after which a hanging one is ended where it can be.
const Request = 8 * time.Second

// prepare gives a server limits that can be reached by hand.
func prepare(s config.Server) config.Server {
	s.Transports = s.Transports[:1]
	s.Transports[0].RequestQueueSize = 64
	s.Limits.Connections = 1000
	s.Timeouts.Idle, s.Timeouts.Read, s.Timeouts.Request = 0, 0, Request
	s.Timeouts.Drain = time.Second
	if c := &s.Concurrency; c.MaxChildren == config.DefaultConcurrency("forking").MaxChildren {
		c.MaxChildren = 12
	}
	return s
}

func handlerOf(s subject.Spec) string {
	if s.Server.Handler.Name == experiment.Name {
		return Mishaps
	}
	return s.Server.Handler.Name
}

// Start starts the servers.
func (t *Theatre) Start() error {
	for _, s := range t.sides {
		if err := s.start(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the clients and the servers. The context is done.
func (t *Theatre) Close() {
	t.Feed.Close()
	for _, s := range t.sides {
		s.stop()
	}
	t.clients.Wait()
}

// emit adds an event. t.mu is held.
func (t *Theatre) emit(e feed.Event) {
	if t.taken {
		t.events = append(t.events, e)
	}
}

func (t *Theatre) now() float64 { return t.Feed.Clock(time.Now()) }

// Begin and the following are the source of the feed.
func (t *Theatre) Begin(func(time.Time) float64) feed.Collector {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = true
	return t
}

func (t *Theatre) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken, t.events = false, nil
}

func (t *Theatre) Collect() (rows []feed.Row, events []feed.Event, lost int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sides {
		rows = append(rows, s.row)
	}
	events, lost = t.events, t.lost
	t.events, t.lost = nil, 0
	return rows, events, lost
}

func (t *Theatre) Open(name string) []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, err := t.find(name); err == nil {
		return s.open()
	}
	return nil
}

func (t *Theatre) Rates(name string) []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, err := t.find(name); err == nil {
		return s.rates
	}
	return nil
}

func (t *Theatre) Recall() (events []feed.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sides {
		events = append(events, s.recall()...)
	}
	return events
}

// find returns the side of a server.
func (t *Theatre) find(name string) (*side, error) {
	for _, s := range t.sides {
		if s.name == name {
			return s, nil
		}
	}
	return nil, errors.New("there is no server " + name)
}

// A request is what the page sends.
type request struct {
	Server string `json:"server"`
	Pid    int    `json:"pid"`
	Kind   string `json:"kind"`
	N      int    `json:"n"`
}

// Commands are those of the page.
func (t *Theatre) Commands() map[string]page.Command {
	commands := map[string]page.Command{}
	for name, do := range map[string]func(request) error{
		"theatre/clients": t.come,
		"theatre/kill":    t.strike,
		"theatre/start": func(r request) error {
			s, err := t.find(r.Server)
			if err != nil {
				return err
			}
			return s.start()
		},
		"kill": func(r request) error {
			s, err := t.find(r.Server)
			if err != nil {
				return err
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			return s.kill(r.Pid)
		},
	} {
		commands[name] = func(r *http.Request) error {
			var what request
			if err := json.NewDecoder(r.Body).Decode(&what); err != nil {
				return fmt.Errorf("the body is not JSON: %w", err)
			}
			return do(what)
		}
	}
	return commands
}

// most is the number of clients that come at once at most.
const most = 200

// come has clients come, the same ones at every server.
func (t *Theatre) come(r request) error {
	if r.N < 1 || r.N > most {
		return fmt.Errorf("n is %d; take 1 to %d", r.N, most)
	}
	if _, known := words[r.Kind]; !known {
		return fmt.Errorf("there is no client %q", r.Kind)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if isMishap(r.Kind) {
		t.gather()
	}
	for range r.N {
		t.enter(r.Kind, workOf(r.Kind))
	}
	return nil
}

// enter has a client come to every server that runs. t.mu is held.
func (t *Theatre) enter(kind string, takes time.Duration) {
	t.last++
	takes = time.Duration(t.pace * float64(takes))
	for _, s := range t.sides {
		if s.subject == nil {
			continue
		}
		c := &client{n: t.last, kind: kind, side: s, takes: takes}
		if isMishap(kind) {
			s.begin(kind, c.n)
		}
		t.clients.Go(c.run)
	}
}

// bystanders is the number of clients that are there when something happens to one of them.
const bystanders = 6

// gather has others come where a mishap would find few, and reports whether it did. t.mu is held.
func (t *Theatre) gather() bool {
	few := bystanders
	for _, s := range t.sides {
		if s.subject != nil {
			few = min(few, len(s.clients))
		}
	}
	for n := few; n < bystanders; n++ {
		t.enter("", 5*time.Second)
	}
	return few < bystanders
}

// strike kills the process that serves the newest client, at every server, when there are others.
func (t *Theatre) strike(request) error {
	t.mu.Lock()
	gathered := t.gather()
	t.mu.Unlock()
	if !gathered {
		return t.killNewest()
	}
	t.clients.Go(func() {
		select {
		case <-time.After(2 * time.Second): // until they are served
			_ = t.killNewest() // one that has died meanwhile needs no more
		case <-t.ctx.Done():
		}
	})
	return nil
}

// killNewest kills the process that serves the newest client, at every server.
func (t *Theatre) killNewest() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sides {
		newest, pid := 0, s.row.Pid
		for _, c := range s.clients {
			if c.pid != 0 && c.n > newest {
				newest, pid = c.n, c.pid
			}
		}
		if s.subject == nil || newest == 0 && s.row.Strategy == "forking" {
			continue // there is no client, and so no process for it
		}
		s.begin("sigkill", newest)
		if err := s.kill(pid); err != nil {
			return err
		}
	}
	return nil
}
