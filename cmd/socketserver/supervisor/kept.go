package supervisor

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// An OpenState opens the state of a server that is not in memory. close is called when nothing uses it.
type OpenState func(ctx context.Context, server string, how config.State, log hclog.Logger) (s framework.State, close func(), err error)

// A kept is what the handlers of a server keep between requests. It outlives an instance, and the class of
// its handler: the configuration has it, and each instance that uses it.
type kept struct {
	framework.State // nil: not open
	how             config.State
	close           func() // may be nil
	users           int    // guarded by the supervisor's mu
}

// stateOf returns the state of a server, with one more user; nil: its handler uses none.
func (s *Supervisor) stateOf(server *config.Server) *kept {
	if server.State == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.states[server.Name]
	if k == nil || k.how != *server.State {
		k = &kept{how: *server.State}
	}
	k.users++
	return k
}

// openState opens the state of an instance, unless it is open or there is none.
func (s *Supervisor) openState(ctx context.Context, i *Instance) (err error) {
	switch kept := i.kept; {
	case kept == nil || kept.State != nil:
	case kept.how.Backend == "memory":
		kept.State = framework.NewMemory()
	case s.options.OpenState == nil:
		err = fmt.Errorf("server %q: state: this program has no backend %q", i.name, kept.how.Backend)
	default:
		if kept.State, kept.close, err = s.options.OpenState(ctx, i.name, kept.how, i.log); err != nil {
			kept.State, err = nil, fmt.Errorf("server %q: state: %w", i.name, err)
		}
	}
	return err
}

// releaseState undoes stateOf.
func (s *Supervisor) releaseState(kept *kept) {
	if kept == nil {
		return
	}
	s.mu.Lock()
	kept.users--
	last := kept.users == 0
	s.mu.Unlock()
	if last && kept.close != nil {
		kept.close()
	}
}

// keepStates has the states of instances outlive them, and those of no others. It returns what it does not keep any
// more, to be released. s.mu is held.
func (s *Supervisor) keepStates(instances []*Instance) (gone []*kept) {
	next := map[string]*kept{}
	for _, i := range instances {
		if i.kept != nil {
			i.kept.users++
			next[i.name] = i.kept
		}
	}
	for _, kept := range s.states {
		gone = append(gone, kept)
	}
	s.states = next
	return gone
}

// warnAboutStates logs what another process begins without.
func (s *Supervisor) warnAboutStates() {
	for _, i := range s.running() {
		if i.kept != nil && i.kept.how.Backend == "memory" {
			i.log.Warn("the state of the handlers is in memory, and begins empty in the new process", "next", `use state { backend = "file" } and a restart, or "nats"`)
		}
	}
}
