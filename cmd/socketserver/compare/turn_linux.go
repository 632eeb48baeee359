package compare

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/load"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// turn is one subject under one kind of load, from its start to its end. A process of its own for
// each kind shows the cost of that kind.
type turn struct {
	plan      load.Plan
	subject   *subject.Subject // nil: not started, or stopped
	measured  result.Measured
	latencies *hdrhistogram.Histogram
	requests  int64         // answered, warm-up included
	tried     chan struct{} // closed when the first request was answered or has failed
	forks     bool          // its plugin forks, which the server does not count
}

// newTurn starts a subject and its first request, whose outcome is known when tried is closed.
func newTurn(ctx context.Context, spec subject.Spec, plan load.Plan) *turn {
	t := &turn{
		plan: plan, latencies: load.NewHistogram(), tried: make(chan struct{}),
		forks: spec.Form == result.Plugin && spec.Plugin.Kind == plugin.Python && spec.Server.Concurrency.Kind == "forking",
		measured: result.Measured{
			Subject: spec.Name, Errors: map[string]int64{}, Problem: silent(spec.Server.Handler, plan.Message),
			Cost: result.Cost{Resident: -1, Proportional: -1, Started: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1},
		},
	}
	if t.measured.Problem == "" {
		s, err := subject.Start(ctx, spec)
		if err != nil {
			t.measured.Problem = strings.TrimPrefix(err.Error(), spec.Name+": ")
		} else {
			t.subject, t.plan.Network, t.plan.Address = s, s.Network, s.Address
		}
	}
	go func() {
		defer close(t.tried)
		t.tryOut(ctx)
	}()
	// A subject that answers soon is tried alone; slow ones are waited for together.
	select {
	case <-t.tried:
	case <-time.After(soon):
	}
	return t
}

// soon is the time that an answer may take before the next subject is started.
const soon = 300 * time.Millisecond

// maxWarmup bounds the warm-up in which all clients should get their first answer.
const maxWarmup = time.Second

// tryOut sends one request: a subject that does not answer is not measured. The warm-up has time for
// a first answer of that latency for every client.
func (t *turn) tryOut(ctx context.Context) {
	if t.subject == nil {
		return
	}
	took, err := load.Try(ctx, t.plan)
	if err != nil {
		t.fail(unanswered(t.plan, err))
		return
	}
	all := took * time.Duration(t.plan.Clients) / time.Duration(runtime.NumCPU())
	t.plan.Warmup = max(t.plan.Warmup, min(all, maxWarmup))
	t.requests++
}

// fail sets the reason why nothing, or nothing more, is measured: the server ended, or else problem,
// which may be empty.
func (t *turn) fail(problem string) {
	if t.subject.Ended() {
		problem = "the server ended: " + t.subject.Stop().Status
		if log := t.subject.Log(); len(log) > 0 {
			problem += " (its last line: " + strconv.Quote(log[len(log)-1].Text) + ")"
		}
	}
	t.measured.Problem = problem
}

// moment is the CPU time up to a point in time.
type moment struct {
	at      time.Time
	subject time.Duration
	machine usage.Machine
}

// since returns the CPU time of the subject since an earlier moment. It is less than 0, not known, if
// the span differs from length, as a moment is late when the processors are busy.
func (m moment) since(before moment, length time.Duration) time.Duration {
	if off := m.at.Sub(before.at) - length; off.Abs() > length/20 {
		return -1
	}
	return usage.Since(before.subject, m.subject)
}

func (t *turn) look() moment {
	used := usage.CPU(t.subject.Pid())
	return moment{time.Now(), used, usage.Now()}
}

// occupy measures the memory and the like of the subject under load. It is a round that is not
// counted, as measuring takes CPU time.
func (t *turn) occupy(ctx context.Context) {
	if t.measured.Problem != "" || ctx.Err() != nil {
		return
	}
	plan := t.plan
	plan.Duration = samples * between
	var seen []usage.Usage
	plan.Begin = func() {
		next := time.NewTicker(between)
		defer next.Stop()
		for end := time.Now().Add(plan.Duration - between); time.Now().Before(end); <-next.C {
			if used, err := usage.Of(t.subject.Pid()); err == nil {
				seen = append(seen, used)
			}
		}
	}
	if round, err := load.Run(ctx, plan); err == nil {
		t.requests += round.Requests + round.Warm
		occupied(&t.measured.Cost, seen)
	}
}

// A subject is sampled more than once, as one sample may miss short-lived children.
const (
	samples = 8
	between = 40 * time.Millisecond
)

// occupied sets the median of the samples, of each number by itself.
func occupied(c *result.Cost, seen []usage.Usage) {
	if len(seen) == 0 {
		return
	}
	c.Resident = result.Median(seen, func(u usage.Usage) int64 { return u.Resident })
	c.Proportional = result.Median(seen, func(u usage.Usage) int64 { return u.Proportional })
	c.Processes = int(result.Median(seen, func(u usage.Usage) int64 { return int64(u.Processes) }))
	c.Threads = int(result.Median(seen, func(u usage.Usage) int64 { return int64(u.Threads) }))
	c.Descriptors = int(result.Median(seen, func(u usage.Usage) int64 { return int64(u.Descriptors) }))
}

// run measures one round. It counts only if ctx is not done by then.
func (t *turn) run(ctx context.Context) {
	if t.measured.Problem != "" {
		return
	}
	var before, after moment
	plan := t.plan
	plan.Begin = func() { before = t.look() }
	plan.End = func() { after = t.look() }
	round, err := load.Run(ctx, plan)
	if err != nil {
		return
	}
	t.count(round, before, after)
	t.fail("")
	if ctx.Err() != nil { // which ends the server, and that is no problem of its own
		t.measured.Problem = ""
	}
}

// count adds a round.
func (t *turn) count(round *load.Round, before, after moment) {
	own := usage.Since(before.subject, after.subject) // in the same span as the machine's
	if own >= 0 && round.Own >= 0 {
		own += round.Own
	}
	round.CPU, round.Others = after.since(before, round.Elapsed), after.machine.Others(before.machine, own)
	m := &t.measured
	m.Rounds = append(m.Rounds, round.Round)
	m.Unfinished += round.Unfinished
	t.latencies.Merge(round.Latencies)
	for kind, n := range round.Errors {
		m.Errors[kind] += n
	}
	t.requests += round.Requests + round.Warm
}

// end stops the subject and returns what was measured. Later calls return the same.
func (t *turn) end() result.Measured {
	<-t.tried
	if t.subject == nil {
		return t.measured
	}
	exit := t.subject.Stop()
	t.subject = nil
	m := &t.measured
	if !t.forks {
		m.Cost.Started = exit.Started
	}
	if t.requests > 0 && !exit.Forced && exit.Started >= 0 { // else children were not waited for
		m.Cost.Switches = float64(exit.Switches) / float64(t.requests)
	}
	m.Buckets, m.Latency = load.Buckets(t.latencies), load.Summary(t.latencies)
	m.Unserved = int(result.Median(m.Rounds, func(r result.Round) int64 { return int64(r.Unserved) }))
	answered := slices.ContainsFunc(m.Rounds, func(r result.Round) bool { return r.Requests > 0 })
	if m.Problem == "" && !answered {
		why := cmp.Or(strings.Join(m.Failures(), ", "), "requests were still waiting; use a longer --duration")
		m.Problem = fmt.Sprintf("nothing was answered in rounds of %s: %s", t.plan.Duration, why)
	}
	return t.measured
}
