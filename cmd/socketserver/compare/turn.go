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
	requests  int64 // answered, those of warming up included
}

func newTurn(ctx context.Context, spec subject.Spec, plan load.Plan) *turn {
	t := &turn{plan: plan, measured: result.Measured{
		Subject: spec.Name, Rounds: []result.Round{}, Buckets: []result.Bucket{}, Errors: map[string]int64{},
		Cost: result.Cost{Resident: -1, Proportional: -1, Started: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1},
	}}
	s, err := subject.Start(ctx, spec, subject.Options{})
	if err != nil {
		t.measured.Problem = strings.TrimPrefix(err.Error(), spec.Name+": ")
		return t
	}
	t.subject = s
	t.plan.Network, t.plan.Address = s.Network(), s.Address()
	t.tryOut(ctx)
	return t
}

// maxWarmup is how long is waited at most until all clients may have had an answer.
const maxWarmup = time.Second

// tryOut asks the subject once: where it does not answer there is nothing to be measured. Every
// client may need such a first answer before it is at work, which warming up has time for.
func (t *turn) tryOut(ctx context.Context) {
	took, err := load.Try(ctx, t.plan)
	if err != nil {
		t.fail("the first request was not answered: " + err.Error())
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
	subject usage.Usage // its CPU time only, as the rest takes a while to find out
	machine usage.Machine
}

func (t *turn) look() moment {
	used, err := usage.CPU(t.subject.Pid())
	if err != nil {
		used = usage.Unknown
	}
	return moment{used, usage.Now()}
}

// occupy takes note of what the subject occupies while clients are at work. It is a round
// that is not counted, as finding that out takes some of the time of the machine.
func (t *turn) occupy(ctx context.Context) {
	if t.measured.Problem != "" || ctx.Err() != nil {
		return
	}
	plan := t.plan
	plan.Duration = 250 * time.Millisecond // longer than Begin takes
	plan.Begin = func() {
		used, err := usage.Of(t.subject.Pid())
		if err != nil {
			return
		}
		c := &t.measured.Cost
		c.Resident, c.Proportional = used.Resident, used.Proportional
		c.Processes, c.Threads, c.Descriptors = used.Processes, used.Threads, used.Descriptors
	}
	if round, err := load.Run(ctx, plan); err == nil {
		t.requests += round.Answered + round.Warm
	}
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
	return nil
}

// count adds a round.
func (t *turn) count(round *load.Round, before, after moment) {
	cpu := after.subject.CPUSince(before.subject)
	own := time.Duration(-1)
	if cpu >= 0 && round.CPU >= 0 {
		own = cpu + round.CPU
	}
	m := &t.measured
	m.Rounds = append(m.Rounds, result.Round{
		Requests: round.Answered, Elapsed: round.Elapsed, Rate: float64(round.Answered) / round.Elapsed.Seconds(),
		Latency: load.Summary(round.Latencies), CPU: cpu,
		Generator: float64(round.CPU) / float64(round.Elapsed) / float64(runtime.NumCPU()),
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
	if t.subject == nil {
		return t.measured
	}
	exit := t.subject.Stop()
	t.subject = nil
	m := &t.measured
	m.Cost.Started = exit.Started
	if t.requests > 0 && !exit.Forced {
		m.Cost.Switches = float64(exit.Usage.Switches) / float64(t.requests)
	}
	if t.latencies != nil {
		m.Buckets, m.Latency = load.Buckets(t.latencies), load.Summary(t.latencies)
	}
	m.Unserved = middle(m.Rounds)
	answered := slices.ContainsFunc(m.Rounds, func(r result.Round) bool { return r.Requests > 0 })
	if m.Problem == "" && !answered {
		m.Problem = fmt.Sprintf("nothing was answered in rounds of %s: %s", t.plan.Duration, summary(m.Errors))
	}
	return t.measured
}

// middle is the median of the clients that were not served.
func middle(rounds []result.Round) int {
	var all []int
	for _, r := range rounds {
		all = append(all, r.Unserved)
	}
	if len(all) == 0 {
		return 0
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
