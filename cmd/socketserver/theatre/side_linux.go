package theatre

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
)

// A side is one server, which may be started again after it has ended. The theatre's mutex guards what
// changes.
type side struct {
	of   *Theatre
	name string
	spec subject.Spec

	starting sync.Mutex // is held while the server is started, and is locked before the theatre's

	subject *subject.Subject // nil: it does not run
	row     feed.Row         // the latest
	past    feed.Row         // the counts of servers that have ended
	rates   []float64
	clients map[string]*client // open ones, by their address
	ids     map[uint64]*client // by the server's numbers of connections
	trials  []*trial
	second  time.Time // of the latest rate
}

// foreign is added to the server's number of a connection that is not of the theatre.
const foreign = 1_000_000

// start starts the server, unless it runs, and waits for its first frame.
func (s *side) start() error {
	s.starting.Lock()
	defer s.starting.Unlock()
	t := s.of
	t.mu.Lock()
	running := s.subject != nil
	t.mu.Unlock()
	if running {
		return fmt.Errorf("%s runs already", s.name)
	}
	started, err := subject.Start(t.ctx, s.spec)
	if err != nil {
		return err
	}
	t.mu.Lock()
	s.subject, s.clients, s.ids = started, map[string]*client{}, map[uint64]*client{}
	t.mu.Unlock()
	first := make(chan struct{})
	t.clients.Go(func() {
		shown := false
		_ = started.Frames(t.ctx, func(f feed.Frame) error {
			s.take(f)
			if !shown {
				shown = true
				close(first)
			}
			return nil
		})
		if t.ctx.Err() == nil {
			<-started.Done()
		}
		if s.end(started); !shown {
			close(first)
		}
	})
	<-first
	return nil
}

func (s *side) stop() {
	s.of.mu.Lock()
	running := s.subject
	s.of.mu.Unlock()
	if running != nil {
		running.Stop()
	}
}

// take takes a frame of the server.
func (s *side) take(f feed.Frame) {
	t := s.of
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(f.Servers) == 0 {
		return
	}
	t.lost += f.Lost
	r := f.Servers[0]
	r.Name, r.Theatre, r.Handler, r.Open, r.Rates, r.Sample = s.name, true, s.row.Handler, nil, nil, 1
	r.Accepted += s.past.Accepted
	r.Answered += s.past.Answered
	r.Cut += s.past.Cut
	r.Errors += s.past.Errors
	r.Restarts += s.past.Restarts
	r.Started += s.past.Started + 1 // the server is a process, too
	s.row = r
	if time.Since(s.second) >= time.Second {
		s.second, s.rates = time.Now(), append(s.rates, r.Rate)
		s.rates = s.rates[max(0, len(s.rates)-60):]
	}
	for _, e := range f.Events {
		s.happened(e)
	}
	s.judge()
}

// happened passes on an event, with the client's number.
func (s *side) happened(e feed.Event) {
	e.S = s.name
	if e.C != 0 {
		c := s.ids[e.C]
		if e.K == "accepted" || e.K == "refused" && c == nil {
			if c = s.clients[e.Peer]; c != nil {
				s.ids[e.C] = c
			}
		}
		id := e.C
		if e.C += foreign; c != nil {
			e.C = uint64(c.n)
		}
		switch {
		case c == nil:
		case e.K == "accepted":
			e.N, e.Kind = c.n, c.kind
		case e.K == "started":
			c.pid = e.Pid
			s.served(c.n, e.Pid)
		case e.K == "ended" || e.K == "refused":
			delete(s.clients, c.peer)
			delete(s.ids, id)
			s.over(c.n, e.Outcome)
		}
	}
	if e.K == "born" && e.Kind == "main" {
		e.T = s.of.now()
	}
	if e.K == "died" {
		s.died(e.Pid)
	}
	s.of.emit(e)
}

// end reports the death of a server, which it cannot do itself.
func (s *side) end(dead *subject.Subject) {
	t := s.of
	cause := feed.CauseOf(dead.Stop().Status)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() != nil || s.subject != dead {
		return
	}
	at := t.now()
	s.subject = nil
	cut := s.open()
	t.emit(feed.Event{T: at, S: s.name, K: "died", Pid: s.row.Pid, Cause: cause, Cut: len(cut)})
	for _, c := range s.row.Children { // they end with it
		t.emit(feed.Event{T: at, S: s.name, K: "died", Pid: c.Pid, Cause: "SIGKILL"})
	}
	for _, c := range cut {
		t.emit(feed.Event{T: at, S: s.name, K: "ended", C: c, Outcome: "cut", Cause: cause})
	}
	s.row.Cut += int64(len(cut))
	s.past = s.row
	r := &s.row
	r.State, r.Cause, r.RSS, r.Children, r.Active, r.Waiting, r.Queue, r.Rate = "failed", cause, 0, []feed.Child{}, 0, 0, 0, 0
	t.emit(feed.Event{T: at, S: s.name, K: "state", State: "failed"})
	for _, c := range s.clients {
		s.over(c.n, "cut")
	}
	s.clients, s.ids = map[string]*client{}, map[uint64]*client{}
	s.died(s.row.Pid)
	s.judge()
}

// open returns the numbers of the clients that are connected.
func (s *side) open() []uint64 {
	all := []uint64{}
	for _, c := range s.clients {
		if c.at > 0 {
			all = append(all, uint64(c.n))
		}
	}
	slices.Sort(all)
	return all
}

// recall returns the events that have led to what is there now.
func (s *side) recall() []feed.Event {
	if s.subject == nil {
		return nil
	}
	at := s.of.now()
	events := []feed.Event{{S: s.name, K: "born", Pid: s.row.Pid, Kind: "main", RSS: s.row.RSS}}
	for _, c := range s.row.Children {
		events = append(events, feed.Event{T: max(at-c.Age, 0), S: s.name, K: "born", Pid: c.Pid, Kind: c.Kind, RSS: c.RSS})
	}
	for _, c := range s.clients {
		if c.at > 0 {
			events = append(events, c.connected())
		}
		if c.pid != 0 {
			events = append(events, feed.Event{T: at, S: s.name, K: "accepted", C: uint64(c.n), N: c.n, Kind: c.kind, Peer: c.peer},
				feed.Event{T: at, S: s.name, K: "started", C: uint64(c.n), Pid: c.pid})
		}
	}
	return events
}

// kill kills a process of the server.
func (s *side) kill(pid int) error {
	if s.subject == nil {
		return fmt.Errorf("%s does not run", s.name)
	}
	if pid == s.row.Pid {
		s.subject.Kill()
		return nil
	}
	if !slices.ContainsFunc(s.row.Children, func(c feed.Child) bool { return c.Pid == pid }) {
		return fmt.Errorf("%s has no process %d", s.name, pid)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	return p.Kill()
}
