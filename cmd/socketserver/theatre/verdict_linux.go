package theatre

import (
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
)

// The answers to what happens to the other clients, in the order in which the page asks.
const (
	goOn    = iota // they go on, nothing stays behind
	allCut         // all of them are cut off
	stays          // they go on, but something stays behind
	someCut        // some of them are cut off
)

// A trial is a mishap whose outcome is being watched at one side.
type trial struct {
	kind   string
	n      int // number of the client that misbehaves, or whose process is killed
	began  time.Time
	others int     // clients that were connected then
	pid    int     // of the server
	in     int     // process that serves the client; 0: none yet
	memory float64 // of that, before

	cut      int       // of the others
	ended    time.Time // when the request was over; zero: it is not
	survived bool      // the request has outlived the time that it has
	died     bool      // the server has
}

const (
	settled = 1500 * time.Millisecond // from the end of a mishap until memory was measured again
	overdue = Request + 2*time.Second // after which a request stays
)

// begin begins to watch a mishap.
func (s *side) begin(kind string, n int) {
	others := len(s.clients)
	if kind == "sigkill" {
		others--
	}
	s.trials = append(s.trials, &trial{kind: kind, n: n, began: time.Now(), others: max(others, 0), pid: s.row.Pid})
}

// memoryOf returns the memory of a process in MiB; 0: it has ended.
func memoryOf(r feed.Row, pid int) float64 {
	if pid == r.Pid {
		return r.RSS
	}
	for _, c := range r.Children {
		if c.Pid == pid {
			return c.RSS
		}
	}
	return 0
}

// served records which process serves a client.
func (s *side) served(n, pid int) {
	for _, t := range s.trials {
		if t.n == n {
			t.in, t.memory = pid, memoryOf(s.row, pid)
		}
	}
}

// over records the end of a client.
func (s *side) over(n int, outcome string) {
	for _, t := range s.trials {
		switch {
		case t.n == n && t.ended.IsZero():
			t.ended = time.Now()
		case t.n != n && outcome == "cut" && t.ended.IsZero() || outcome == "cut" && t.died:
			t.cut++
		}
	}
}

// died records the end of a process.
func (s *side) died(pid int) {
	for _, t := range s.trials {
		if t.died = t.died || pid == t.pid; t.died && t.ended.IsZero() {
			t.ended = time.Now()
		}
	}
}

// judge reports the mishaps whose outcome is known.
func (s *side) judge() {
	var open []*trial
	for _, t := range s.trials {
		since := time.Since(t.ended)
		t.survived = t.ended.IsZero() && time.Since(t.began) > overdue
		if !t.survived && (t.ended.IsZero() || since < settled && !t.died) {
			open = append(open, t)
			continue
		}
		answer := t.answer(memoryOf(s.row, t.in))
		s.of.emit(feed.Event{T: s.of.now(), S: s.name, K: "verdict", Kind: t.kind, C: uint64(t.n), Answer: &answer})
	}
	s.trials = open
}

// answer returns what has happened to the other clients.
func (t *trial) answer(memory float64) int {
	switch {
	case t.died, t.cut > 0 && t.cut >= t.others:
		return allCut
	case t.cut > 0:
		return someCut
	case t.survived, memory-t.memory > leaked/2>>20 && t.kind == "leak":
		return stays
	}
	return goOn
}
