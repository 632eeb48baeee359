package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// An Action is what [Supervisor.Apply] does with a server.
type Action string

// The actions, from the least.
const (
	Keep    Action = "keep"    // nothing
	Change  Action = "change"  // limits, timeouts or certificates change while it serves
	Replace Action = "replace" // a new instance serves its sockets, the old one drains
	Start   Action = "start"
	Stop    Action = "stop"
)

// A Step is the part of a [Plan] that is about one server.
type Step struct {
	Server string `json:"server"`
	Action Action `json:"action"`
	// Details are what changes, as "limits.connections 1000 -> 200"; where a server starts its
	// addresses; where it stops what it waits for.
	Details []string `json:"details,omitempty"`
}

// A Plan is what it takes to get from what runs to a configuration: a step for each server of
// the configuration, in its order, and then those that stop.
type Plan []Step

// String returns a line for each step, without a newline after the last.
func (p Plan) String() string {
	var lines, kept []string
	for _, s := range p {
		details := strings.Join(s.Details, ", ")
		switch s.Action {
		case Keep:
			kept = append(kept, s.Server)
		case Start:
			lines = append(lines, column("+ "+s.Server, details))
		case Stop:
			lines = append(lines, column("- "+s.Server, details))
		default:
			lines = append(lines, "~ "+s.Server+": "+details)
		}
	}
	if len(kept) > 0 {
		lines = append(lines, column("  "+strings.Join(kept, ", "), "unchanged"))
	}
	return strings.Join(lines, "\n")
}

func column(name, text string) string { return fmt.Sprintf("%-41s %s", name, text) }

// Servers returns the names of the servers with one of the actions.
func (p Plan) Servers(actions ...Action) []string {
	var names []string
	for _, s := range p {
		if slices.Contains(actions, s.Action) {
			names = append(names, s.Server)
		}
	}
	return names
}

// A transition is what Apply is about to do.
type transition struct {
	plan  Plan
	next  []*Instance                  // of the new configuration
	fresh []*Instance                  // those of them that have to be started
	turn  map[*Instance]*config.Server // those that change while they serve
	gone  []*kept                      // what the configuration does not keep any more
	old   map[*Instance]bool           // what runs now and is not among next; true: it is replaced
}

// prepare compares c with what runs. The transition owns what it makes, also on an error.
func (s *Supervisor) prepare(c *config.Config) (*transition, error) {
	t := &transition{turn: map[*Instance]*config.Server{}, old: map[*Instance]bool{}}
	current := map[string]*Instance{}
	for _, i := range s.running() {
		current[i.name] = i
	}
	var errs []error
	for _, server := range c.Servers {
		old := current[server.Name]
		delete(current, server.Name)
		i, step, err := s.successor(old, server)
		errs = append(errs, err)
		switch step.Action {
		case Change:
			t.turn[old] = server
		case Start, Replace:
			if i != nil {
				t.fresh = append(t.fresh, i)
			}
			if old != nil {
				t.old[old] = true
			}
		}
		t.next = append(t.next, i)
		t.plan = append(t.plan, step)
	}
	for _, i := range s.running() {
		if current[i.name] == i {
			t.old[i] = false
			t.plan = append(t.plan, Step{i.name, Stop, i.waitsFor()})
		}
	}
	return t, errors.Join(errs...)
}

// prepareRenewal is prepare for [Supervisor.Renew].
func (s *Supervisor) prepareRenewal(c *config.Config) (*transition, error) {
	t := &transition{old: map[*Instance]bool{}}
	var errs []error
	s.mu.Lock()
	current := slices.Clone(s.instances)
	s.mu.Unlock()
	for _, old := range current {
		n := slices.IndexFunc(c.Servers, func(server *config.Server) bool { return server.Name == old.name })
		if n < 0 || c.Servers[n].Class == old.class.HandlerClass {
			t.next = append(t.next, old)
			if n >= 0 {
				t.plan = append(t.plan, Step{Server: old.name, Action: Keep})
			}
			continue
		}
		i, step, err := s.successor(old, c.Servers[n])
		if old.ending() || !old.is(Serving) && !old.is(Suspended) {
			err = errors.Join(err, fmt.Errorf("server %q: %w", old.name, ErrStopped))
		}
		errs = append(errs, err)
		if i != nil {
			t.fresh = append(t.fresh, i)
		}
		t.next, t.plan, t.old[old] = append(t.next, i), append(t.plan, step), true
	}
	return t, errors.Join(errs...)
}

// planRenewals adds to the plan what renew says of each instance that stays: those that are started read the files
// of TLS themselves.
func (t *transition) planRenewals(renew func(*Instance) []string) {
	for n, i := range t.next {
		if slices.Contains(t.fresh, i) {
			continue
		}
		if renewed := renew(i); len(renewed) > 0 {
			step := &t.plan[n]
			step.Action, step.Details = Change, append(step.Details, renewed...)
		}
	}
}

// successor returns the instance that is to run server in place of old, which may be nil: old
// itself if it can, or one that has to be started.
func (s *Supervisor) successor(old *Instance, server *config.Server) (*Instance, Step, error) {
	step := Step{Server: server.Name, Action: Start}
	if old == nil {
		for _, t := range server.Transports {
			step.Details = append(step.Details, t.Word()+" "+t.Address)
		}
	} else {
		was, same := old.configuration(), old.class.HandlerClass == server.Class
		switch step.Details = server.Difference(was); {
		case old.ending():
			step.Details = append(step.Details, "it is stopping")
		case same && equal(was, server):
			step.Action = Keep
			return old, step, nil
		case same && old.canBecome(server):
			step.Action = Change
			return old, step, nil
		case len(step.Details) == 0:
			step.Details = []string{"another process"}
		}
		step.Action = Replace
	}
	class, err := s.class(server)
	if err != nil {
		return nil, step, err
	}
	return s.newInstance(server, class, old), step, old.mayLose(server)
}

// equal reports whether a and b differ in nothing but their class.
func equal(a, b *config.Server) bool {
	x, _ := json.Marshal(a) // of plain values
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// mayLose returns an error if a replacement of the plugin of i, which may be nil, would begin
// without what it keeps in memory.
func (i *Instance) mayLose(server *config.Server) error {
	if i == nil {
		return nil
	}
	was, kept := i.configuration(), i.class.Stateful
	if kept == "" || was.Handler.Kind != "plugin" || i.class.HandlerClass == server.Class || server.Replace.Split || was.Concurrency.IsolatedState {
		return nil
	}
	return fmt.Errorf("server %q: plugin %q keeps %s in memory, and a new process would begin without it; restart the server, or write replace { split = true } in plugin %q",
		i.name, was.Handler.Name, kept, was.Handler.Name)
}

// running returns the instances of the configuration that have not ended.
func (s *Supervisor) running() []*Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.instances), (*Instance).ended)
}

// Servers returns the server blocks that run, as they are applied. One that is stopping does not.
func (s *Supervisor) Servers() []*config.Server {
	var all []*config.Server
	for _, i := range s.running() {
		if !i.is(Draining) {
			all = append(all, i.configuration())
		}
	}
	return all
}

// open acquires all sockets first, so that no process is started where one cannot be had.
func (t *transition) open(ctx context.Context, s *Supervisor) error {
	var errs []error
	for _, i := range t.fresh {
		errs = append(errs, s.openState(ctx, i))
	}
	for _, i := range t.fresh {
		errs = append(errs, i.bind(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return t.listen()
}

// listen starts what the strategies need. Processes take a while to begin, so several servers start
// theirs at once.
func (t *transition) listen() error {
	errs := make([]error, len(t.fresh))
	turn := make(chan struct{}, 2*runtime.GOMAXPROCS(0)) // one waits for its process while another one runs
	var servers sync.WaitGroup
	for n, i := range t.fresh {
		servers.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			errs[n] = i.listen()
		})
	}
	servers.Wait()
	return errors.Join(errs...)
}

// close undoes prepare and open.
func (t *transition) close(s *Supervisor) {
	for _, i := range t.fresh {
		i.close()
		s.releaseState(i.kept)
	}
}
