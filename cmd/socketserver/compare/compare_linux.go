// Package compare runs one server under several strategies, side by side, and measures and observes
// what differs. Each runs in a process of its own, see package subject. They take turns under the
// same load, so that a slow moment of the machine affects all of them, and then have the same
// mishaps.
package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/load"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/progress"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// Options are what is compared and how. [New] fills in the settings that follow from the server.
type Options struct {
	result.Settings
	Base       *config.Server    // the server that is compared; see Network for the transport
	Plugin     plugin.Definition // of the plugin that Base names
	Strategies []string          // names; none: the default ones
	Peers      []string          // of [Peers]: compare with their servers
	Loads      []string          // kinds; none: all of the transport
	Sweep      []int             // numbers of clients to measure with before Clients, all smaller
	Mishaps    bool
	Expect     string   // text of every answer; empty: any answer is right
	Assert     []string // conditions, see [result.Condition]
}

// A Comparison can be run once.
type Comparison struct {
	Options
	specs      []subject.Spec
	conditions []result.Condition
	leftOut    []string // warnings about it
	progress   *progress.Progress
}

// New selects what is compared: the base's first transport of the network, or its first one. An error
// is about a name that the user gave.
func New(o Options) (*Comparison, error) {
	base := *o.Base
	i := slices.IndexFunc(base.Transports, func(t config.Transport) bool { return o.Network == "" || t.Network == o.Network })
	if i < 0 {
		var have []string
		for _, t := range base.Transports {
			have = append(have, t.Network)
		}
		return nil, fmt.Errorf("server %q has no transport %q; it has %s", base.Name, o.Network, strings.Join(have, ", "))
	}
	base.Transports = base.Transports[i : i+1]
	o.Base, o.Network, o.Server, o.Connections = &base, base.Transports[0].Network, base.Name, base.Limits.Connections
	o.Handler = fmt.Sprintf("%s %q", base.Handler.Kind, base.Handler.Name)
	if base.Class != nil {
		o.Stateful = base.Class.Stateful
	}
	if len(o.Loads) == 0 {
		o.Loads = []string{result.Connections, result.Conversations}
		if o.datagrams() {
			o.Loads = []string{result.Datagrams}
		}
	}
	for _, kind := range o.Loads {
		if o.datagrams() != (kind == result.Datagrams) {
			return nil, fmt.Errorf("%s over %s: datagrams are for udp and unixgram, connections and conversations for tcp and unix", kind, o.Network)
		}
	}
	if o.Answer == load.EOF && slices.Contains(o.Loads, result.Conversations) {
		return nil, errors.New("an answer that ends with the connection allows no conversations; add --loads connections")
	}
	chosen, leftOut, err := o.choose()
	if err != nil {
		return nil, err
	}
	if o.Mishaps && o.Plugin.Kind == plugin.Wasm {
		o.Mishaps = false
		leftOut = append(leftOut, "no module misbehaves on request, so these mishaps are left out: "+strings.Join(mishap.Names(), ", "))
	}
	c := &Comparison{Options: o, leftOut: leftOut}
	var names []string
	for _, s := range chosen {
		spec := s.spec(o.Base, o.Plugin)
		c.specs, names = append(c.specs, spec), append(names, spec.Name)
	}
	return c, c.parseConditions(names)
}

// parseConditions parses the conditions on subjects of these names.
func (c *Comparison) parseConditions(names []string) error {
	for _, text := range c.Assert {
		condition, err := result.ParseCondition(text, names, c.Loads)
		if err == nil && strings.Contains(text, ".lived") && !c.Mishaps {
			err = errors.New("needs the mishaps, which are left out")
		}
		if err != nil {
			return fmt.Errorf("--assert %q: %w", text, err)
		}
		c.conditions = append(c.conditions, condition)
	}
	return nil
}

func (o *Options) datagrams() bool { return o.Network == "udp" || o.Network == "unixgram" }

// Check reports why the load cannot be run, as with too few descriptors or ports for so many clients,
// and what to raise. Open besides the clients' are, in this process, those of the servers that run at
// the same time (pipes, the process itself, and in the mishaps a few clients), and in a server those
// of its children.
func (c *Comparison) Check() error {
	const perServer, clients, perChild = 5, 12, 3
	own, children := perServer*len(c.specs), 0
	if c.Mishaps {
		own = max(own, (perServer+clients)*mishap.AtOnce)
	}
	for _, s := range c.specs {
		limits := s.Server.Concurrency
		children = max(children, limits.Workers, min(limits.MaxChildren, c.Clients+limits.Spares))
	}
	return c.plan("").Check(own, perChild*children)
}

// round is the counted time of a turn, and warmup the shortest time before it.
func (c *Comparison) round() time.Duration  { return c.Duration / time.Duration(c.Rounds) }
func (c *Comparison) warmup() time.Duration { return max(50*time.Millisecond, c.round()/10) }

func (c *Comparison) plan(kind string) load.Plan {
	return load.Plan{
		Network: c.Network, Kind: kind, Clients: c.Clients, Rate: c.Rate, Message: []byte(c.Message), Answer: c.Answer,
		Contains: []byte(c.Expect), Timeout: c.Timeout, Warmup: c.warmup(), Duration: c.round(),
	}
}

// ErrInterrupted is returned by Run when its context is done before the comparison is.
var ErrInterrupted = errors.New("interrupted")

// Run measures and observes, and concludes. What a subject does wrong is part of the report. The
// only error is [ErrInterrupted]; the report then has the rounds that were done, and is nil if
// there are none. Nothing that was started is left when it returns.
func (c *Comparison) Run(ctx context.Context, shown *progress.Progress) (*result.Report, error) {
	c.progress = shown
	r := &result.Report{
		Schema: result.Schema, Environment: usage.Environment(), Settings: c.Settings, Warnings: c.warnings(),
	}
	for _, s := range c.specs {
		r.Subjects = append(r.Subjects, describe(s))
	}
	for _, warning := range r.Warnings {
		c.progress.Warn(warning)
	}
	r.Environment.Time = time.Now().UTC().Truncate(time.Second)
	c.progress.Plan(c.expected())
	var done int // rounds
	most := c.Clients
	for _, c.Clients = range append(slices.Clone(c.Sweep), most) {
		var loads []result.Load
		for _, kind := range c.Loads {
			measured, rounds := c.measure(ctx, kind)
			if done += rounds; rounds > 0 || ctx.Err() == nil {
				loads = append(loads, result.Load{Kind: kind, Results: measured})
			}
		}
		if len(loads) > 0 {
			r.Loads, r.Settings.Clients = loads, c.Clients
		}
		if ctx.Err() != nil {
			break
		}
		if len(c.Sweep) > 0 {
			r.AddPoints()
		}
	}
	if c.Mishaps && ctx.Err() == nil {
		began := time.Now()
		observed := mishap.Run(ctx, c.specs, c.progress.Doing)
		if ctx.Err() == nil {
			r.Mishaps = observed
		}
		c.progress.Advance(time.Since(began))
	}
	var err error
	if ctx.Err() != nil {
		if done == 0 {
			return nil, ErrInterrupted
		}
		err = ErrInterrupted
		r.Warnings = append(r.Warnings, fmt.Sprintf("interrupted after %d of %d rounds", done, c.Rounds*len(c.Loads)*(len(c.Sweep)+1)))
	}
	result.Conclude(r)
	for _, condition := range c.conditions {
		r.Assertions = append(r.Assertions, condition.Check(r))
	}
	return r, err
}

// warnings are about what is left out, and limits of the server that affect the run.
func (c *Comparison) warnings() []string {
	all := slices.Clone(c.leftOut)
	limits := c.Base.Limits
	if limits.PerSource > 0 && limits.PerSource < c.Clients {
		all = append(all, fmt.Sprintf("limits.per_source = %d is not applied, as all clients have one address", limits.PerSource))
	}
	if beyond := c.Clients - limits.Connections; limits.Connections > 0 && beyond > 0 && !c.datagrams() {
		what := "wait until others leave, which those in a conversation never do"
		if limits.Refuse {
			what = "are refused"
		}
		all = append(all, fmt.Sprintf("limits.connections = %d: %d of %d clients %s; use fewer, or a configuration that raises it",
			limits.Connections, beyond, c.Clients, what))
	}
	return all
}

// expected returns the approximate time of Run, with a few seconds of mishaps for each subject.
func (c *Comparison) expected() time.Duration {
	all := time.Duration(len(c.specs)*len(c.Loads)*(len(c.Sweep)+1)) * (time.Duration(c.Rounds)*(c.round()+c.warmup()) + startAndLook)
	if c.Mishaps {
		all += time.Duration(len(c.specs)) * 4 * time.Second
	}
	return all
}

// startAndLook is the expected time of a turn besides its rounds.
const startAndLook = 600 * time.Millisecond

// measure has all subjects take turns under one kind of load. Another subject begins each round, so
// that none always follows the same one. It returns the number of rounds in which all of them had
// theirs; ctx may end it early.
func (c *Comparison) measure(ctx context.Context, kind string) (measured []result.Measured, rounds int) {
	if ctx.Err() != nil {
		return nil, 0
	}
	turns := make([]*turn, len(c.specs))
	for i, s := range c.specs {
		c.progress.Doing(fmt.Sprintf("starting %s for %s", s.Name, kind))
		turns[i] = newTurn(ctx, s, c.plan(kind))
		defer turns[i].end()
	}
	for _, t := range turns {
		<-t.tried
	}
	for ; rounds < c.Rounds && ctx.Err() == nil; rounds++ {
		for i := range turns {
			t := turns[(rounds+i)%len(turns)]
			c.progress.Doing(fmt.Sprintf("%s, %s, round %d of %d", t.measured.Subject, kind, rounds+1, c.Rounds))
			if t.run(ctx); ctx.Err() != nil {
				return c.finish(ctx, kind, turns), rounds
			}
			c.progress.Advance(t.plan.Duration + t.plan.Warmup)
		}
	}
	return c.finish(ctx, kind, turns), rounds
}

// finish ends the turns and returns what was measured.
func (c *Comparison) finish(ctx context.Context, kind string, turns []*turn) (measured []result.Measured) {
	for _, t := range turns {
		t.occupy(ctx)
		c.progress.Advance(startAndLook)
		m := t.end()
		if m.Problem != "" && ctx.Err() == nil {
			c.progress.Warn(fmt.Sprintf("%s, %s: %s", m.Subject, kind, m.Problem))
		}
		measured = append(measured, m)
	}
	return measured
}
