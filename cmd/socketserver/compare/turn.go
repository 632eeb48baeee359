package compare

import (
	"context"
	"fmt"
	"maps"
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
)

// turn is one subject under one kind of load, from its start to its end. A process of its
// own for each kind tells what that kind costs.
type turn struct {
	plan      load.Plan
	subject   *subject.Subject // nil: it could not be started, or has been stopped
	measured  result.Measured
	latencies *hdrhistogram.Histogram
	requests  int64         // answered, those of warming up included
	tried     chan struct{} // closed when the first request has been answered, or has not
}

// newTurn starts a subject and has it tried; what that has found is known when tried is closed.
func newTurn(ctx context.Context, spec subject.Spec, plan load.Plan) *turn {
	t := &turn{plan: plan, measured: result.Measured{
		Subject: spec.Name, Rounds: []result.Round{}, Buckets: []result.Bucket{}, Errors: map[string]int64{},
		Cost: result.Cost{Resident: -1, Proportional: -1, Started: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1},
	}, tried: make(chan struct{})}
	if t.measured.Problem = mute(spec.Server.Handler, plan.Message); t.measured.Problem != "" {
		close(t.tried)
		return t
	}
	s, err := subject.Start(ctx, spec, subject.Options{})
	if err != nil {
		t.measured.Problem = strings.TrimPrefix(err.Error(), spec.Name+": ")
		close(t.tried)
		return t
	}
	t.subject = s
	t.plan.Network, t.plan.Address = s.Network(), s.Address()
	go func() {
		defer close(t.tried)
		t.tryOut(ctx)
	}()
	// One that answers is asked while nothing else happens. One that may never do so is waited
	// for together with the others.
	select {
	case <-t.tried:
	case <-time.After(soon):
	}
	return t
}

// soon is how long an answer may take before the next subject is started.
const soon = 300 * time.Millisecond

// maxWarmup is how long is waited at most until all clients may have had an answer.
const maxWarmup = time.Second

// tryOut asks the subject once: where it does not answer there is nothing to be measured. Every
// client may need such a first answer before it is at work, which warming up has time for.
func (t *turn) tryOut(ctx context.Context) {
	took, err := load.Try(ctx, t.plan)
	if err != nil {
		t.fail(unanswered(t.plan, err))
		return
	}
	all := took * time.Duration(t.plan.Clients) / time.Duration(runtime.NumCPU())
	t.plan.Warmup = max(t.plan.Warmup, min(all, maxWarmup))
	t.requests++
}

// fail says why nothing is measured, or nothing more: that the server has ended, or else
// problem, which may be none.
func (t *turn) fail(problem string) {
	if isDone(t.subject.Done()) {
		problem = "the server ended: " + t.subject.Stop().Status
		if log := t.subject.Log(); len(log) > 0 {
			problem += " (it said " + strconv.Quote(log[len(log)-1].Text) + ")"
		}
	}
	t.measured.Problem = problem
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// moment is what was used up to now.
type moment struct {
	at      time.Time
	subject usage.Usage // its CPU time only, as the rest takes a while to find out
	machine usage.Machine
}

// since is the CPU time of the subject from an earlier moment on. It is not known of a round of
// that length that was not seen as a whole, as a look comes late where the processors are busy.
func (m moment) since(before moment, length time.Duration) time.Duration {
	if off := m.at.Sub(before.at) - length; off.Abs() > length/20 {
		return -1
	}
	return m.subject.CPUSince(before.subject)
}

func (t *turn) look() moment {
	used, err := usage.CPU(t.subject.Pid())
	if err != nil {
		used = usage.Unknown
	}
	return moment{time.Now(), used, usage.Now()}
}

// occupy takes note of what the subject occupies while clients are at work. It is a round
// that is not counted, as finding that out takes some of the time of the machine.
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
		t.requests += round.Answered + round.Warm
		occupied(&t.measured.Cost, seen)
	}
}

// What a subject occupies is looked at more than once, as a look may miss all the children of one
// whose children come and go.
const (
	samples = 8
	between = 40 * time.Millisecond
)

// occupied is the median of what was seen, of each by itself.
func occupied(c *result.Cost, seen []usage.Usage) {
	if len(seen) == 0 {
		return
	}
	c.Resident = median(seen, func(u usage.Usage) int64 { return u.Resident })
	c.Proportional = median(seen, func(u usage.Usage) int64 { return u.Proportional })
	c.Processes = int(median(seen, func(u usage.Usage) int64 { return int64(u.Processes) }))
	c.Threads = int(median(seen, func(u usage.Usage) int64 { return int64(u.Threads) }))
	c.Descriptors = int(median(seen, func(u usage.Usage) int64 { return int64(u.Descriptors) }))
}

// run measures one round. The error is that of ctx.
func (t *turn) run(ctx context.Context) error {
	if t.measured.Problem != "" {
		return ctx.Err()
	}
	var before, after moment
	plan := t.plan
	plan.Begin = func() { before = t.look() }
	plan.End = func() { after = t.look() }
	round, err := load.Run(ctx, plan)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		t.fail(err.Error())
		return nil
	}
	t.count(round, before, after)
	t.fail("")
	if ctx.Err() != nil { // which ends the server, and that is no problem of its own
		t.measured.Problem = ""
	}
	return ctx.Err()
}

// count adds a round.
func (t *turn) count(round *load.Round, before, after moment) {
	own := after.subject.CPUSince(before.subject) // as long as the machine was looked at
	if own >= 0 && round.CPU >= 0 {
		own += round.CPU
	}
	m := &t.measured
	m.Rounds = append(m.Rounds, result.Round{
		Requests: round.Answered, Elapsed: round.Elapsed, Rate: float64(round.Answered) / round.Elapsed.Seconds(),
		Latency: load.Summary(round.Latencies), CPU: after.since(before, round.Elapsed),
		Generator: float64(round.CPU) / float64(round.Watched) / float64(runtime.NumCPU()),
		Others:    after.machine.Others(before.machine, own), Unserved: round.Unserved,
	})
	m.Unfinished += round.Unfinished
	if t.latencies == nil {
		t.latencies = round.Latencies
	} else {
		t.latencies.Merge(round.Latencies)
	}
	for kind, n := range round.Errors {
		m.Errors[kind] += n
	}
	t.requests += round.Answered + round.Warm
}

// end stops the subject and returns what was measured. It may be called again.
func (t *turn) end() result.Measured {
	<-t.tried
	if t.subject == nil {
		return t.measured
	}
	exit := t.subject.Stop()
	t.subject = nil
	m := &t.measured
	m.Cost.Started = exit.Started
	if t.requests > 0 && !exit.Forced && exit.Started >= 0 { // else children were not waited for
		m.Cost.Switches = float64(exit.Usage.Switches) / float64(t.requests)
	}
	if t.latencies != nil {
		m.Buckets, m.Latency = load.Buckets(t.latencies), load.Summary(t.latencies)
	}
	m.Unserved = int(median(m.Rounds, func(r result.Round) int64 { return int64(r.Unserved) }))
	answered := slices.ContainsFunc(m.Rounds, func(r result.Round) bool { return r.Requests > 0 })
	if m.Problem == "" && !answered {
		m.Problem = fmt.Sprintf("nothing was answered in rounds of %s: %s", t.plan.Duration, summary(m.Errors))
	}
	return t.measured
}

// median is the median of what of returns for each of the things; 0: there is none.
func median[T any](things []T, of func(T) int64) int64 {
	if len(things) == 0 {
		return 0
	}
	var all []int64
	for _, t := range things {
		all = append(all, of(t))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// summary is errors by kind, the most frequent first.
func summary(errors map[string]int64) string {
	if len(errors) == 0 {
		return "requests were still waiting; use a longer --duration"
	}
	kinds := slices.SortedFunc(maps.Keys(errors), func(a, b string) int {
		if d := errors[b] - errors[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a, b)
	})
	var all []string
	for _, kind := range kinds {
		all = append(all, fmt.Sprintf("%d %s", errors[kind], kind))
	}
	return strings.Join(all, ", ")
}
