package feed

import (
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A death is the end of a process and of the requests that ended with it. These are reported in any
// order, and passed on together, the process first.
type death struct {
	died  *Event // nil: not reported yet
	ended []Event
	age   int // frames since the first of them
}

// patient is the number of frames in which the parts of a death come together.
const patient = 3

// outcomes are those of requests in the words of frames.
var outcomes = map[supervisor.Outcome]string{
	supervisor.OK: "ok", supervisor.Erred: "panic", supervisor.Panicked: "panic", supervisor.TimedOut: "timeout",
	supervisor.PeerGone: "gone", supervisor.Killed: "cut", supervisor.Cut: "cut",
}

// take returns the events of frames that an event stands for, which happened at t. self is this process.
func (s *server) take(e supervisor.Event, t float64, self int) []Event {
	event := Event{T: t, S: e.Server, C: e.Request}
	switch e.Kind {
	case "accepted":
		s.conns[e.Request] = &conn{peer: e.Client, accepted: e.At}
		event.K, event.Peer = "accepted", e.Client
	case "refused":
		delete(s.conns, e.Request)
		event.K, event.Peer, event.Why = "refused", e.Client, e.Detail
	case "started":
		if n := s.conns[e.Request]; n != nil {
			n.pid, n.started = e.Pid, e.At
		}
		event.K, event.Pid, event.Where = "started", e.Pid, whereOf(e.Pid, self)
	case "ended":
		return s.end(e, event, self)
	case "process started":
		event.K, event.Pid, event.Kind = "born", e.Pid, "child"
		if s.row.Strategy == "preforking" {
			event.Kind = "worker"
		}
	case "process ended":
		event.K, event.Pid, event.Cause = "died", e.Pid, CauseOf(e.Detail)
		if event.Cause == "done" && s.deaths[e.Pid] == nil {
			break
		}
		s.death(e.Pid).died = &event
		return nil
	case "state":
		event.K, event.State = "state", stateOf(supervisor.State(e.Detail))
	default:
		return nil
	}
	return []Event{event}
}

// end returns the events of the end of a request, which may wait for that of its process.
func (s *server) end(e supervisor.Event, event Event, self int) (events []Event) {
	pid := e.Pid
	if n := s.conns[e.Request]; n != nil && n.pid != 0 {
		pid = n.pid
	}
	delete(s.conns, e.Request)
	event.K, event.Took, event.Pid = "ended", 1000*e.Seconds, pid
	outcome := supervisor.Outcome(e.Detail)
	if event.Outcome = outcomes[outcome]; event.Outcome == "" {
		event.Outcome = "ok"
	}
	if e.In > 0 {
		events = append(events, Event{T: event.T, S: e.Server, K: "read", C: e.Request, Bytes: e.In})
	}
	if e.Out > 0 && outcome == supervisor.OK {
		events = append(events, Event{T: event.T, S: e.Server, K: "written", C: e.Request, Bytes: e.Out})
	}
	if (outcome == supervisor.Killed || outcome == supervisor.TimedOut) && pid != 0 && pid != self {
		d := s.death(pid)
		d.ended = append(d.ended, event)
		return events
	}
	return append(events, event)
}

func (s *server) death(pid int) *death {
	d := s.deaths[pid]
	if d == nil {
		d = &death{}
		s.deaths[pid] = d
	}
	return d
}

// bury returns the events of deaths that are complete, or have waited for long enough.
func (s *server) bury() (events []Event) {
	for pid, d := range s.deaths {
		open := 0
		for _, n := range s.conns {
			if n.pid == pid {
				open++
			}
		}
		d.age++
		if (d.died == nil || open > 0) && d.age < patient {
			continue
		}
		delete(s.deaths, pid)
		if d.died != nil {
			events = append(events, d.tell(s.activeIn(pid), open)...)
		}
		events = append(events, d.ended...)
	}
	return events
}

// tell returns the event of the process. active is the exact number of requests that it was known to
// have, where those that have ended may be a sample; open have not ended yet.
func (d *death) tell(active, open int) []Event {
	died := *d.died
	cut := open
	for i := range d.ended {
		died.T = min(died.T, d.ended[i].T)
		switch d.ended[i].Outcome {
		case "timeout":
			died.Cause = "timeout"
		case "cut":
			cut++
		}
	}
	for i := range d.ended {
		d.ended[i].Cause = died.Cause
	}
	if died.Cause != "done" {
		died.Cut = max(cut, min(active, cut+open))
	}
	return []Event{died}
}

// activeIn returns the number of requests in a process, in the latest table.
func (s *server) activeIn(pid int) int {
	for _, c := range s.row.Children {
		if c.Pid == pid {
			return c.Active
		}
	}
	return 0
}

// CauseOf returns why a process ended, in Unix terms.
func CauseOf(detail string) string {
	switch status, exited := strings.CutPrefix(detail, "exit status "); {
	case detail == "":
		return "done"
	case strings.Contains(detail, "signal: killed"):
		return "SIGKILL"
	case exited:
		return "os.Exit(" + status + ")"
	}
	return detail
}
