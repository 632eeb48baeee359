package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

// Suspend has clients of a server refused, until Resume. Its addresses stay taken, and its requests
// go on. A server that replaces it by name is suspended, too, also in a process that takes the place of this one.
func (s *Supervisor) Suspend(name string) error {
	return s.operate(name, (*Instance).suspend, Serving, Suspended)
}

// Resume has a server that was suspended serve again, at the same addresses.
func (s *Supervisor) Resume(name string) error {
	return s.operate(name, (*Instance).resume, Serving, Suspended)
}

// Drain suspends a server and waits until none of its requests is under way, or ctx is done.
func (s *Supervisor) Drain(ctx context.Context, name string) error {
	if err := s.Suspend(name); err != nil {
		return err
	}
	for _, i := range s.all() {
		if i.name != name {
			continue
		}
		if err := i.requests.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops a server within its drain timeout and waits for its end, or until ctx is done. Its
// addresses are free at once. The supervisor goes on also where no other server runs.
func (s *Supervisor) Stop(ctx context.Context, name string) error {
	var stopped *Instance
	err := s.operate(name, func(i *Instance) error {
		stopped = i
		i.halt()
		i.Retire(false, 0)
		return nil
	}, Serving, Suspended)
	if err != nil {
		return err
	}
	select {
	case <-stopped.over:
		return nil
	case <-ctx.Done():
		active := stopped.requests.count(0).active
		return underWay(active)
	}
}

// Start starts a server of the configuration that has stopped. It owns the class of server, whose
// block may be that of [Supervisor.Stopped].
func (s *Supervisor) Start(ctx context.Context, server *config.Server) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	class, err := s.class(server)
	if err != nil {
		return err
	}
	i := s.newInstance(server, class, nil)
	t := &transition{fresh: []*Instance{i}}
	s.mu.Lock()
	for _, other := range s.instances {
		if other.name == server.Name {
			other = i
		}
		t.next = append(t.next, other)
	}
	s.mu.Unlock()
	return s.perform(ctx, t)
}

// Stopped returns the block of a server that has stopped.
func (s *Supervisor) Stopped(name string) (server *config.Server, err error) {
	err = s.operate(name, func(i *Instance) error {
		server = i.configuration()
		return nil
	}, Stopped, Failed)
	return server, err
}

// ResetPlugin ends the back-off of a plugin that is not available: it is started again at once.
func (s *Supervisor) ResetPlugin(name string) error {
	err := fmt.Errorf("no server has a plugin %q; see socketserver status", name)
	for _, i := range s.running() {
		plugin, ok := i.class.Executor.(interface{ Reset() error })
		if !ok || i.configuration().Handler.Name != name {
			continue
		}
		if err = plugin.Reset(); err == nil {
			i.log.Info("plugin reset by the operator", "plugin", name)
		}
	}
	return err
}

// operate does something with a server that is in one of the states, while none is applied.
func (s *Supervisor) operate(name string, do func(*Instance) error, states ...State) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	if s.sockets.isAdopting() {
		return errors.New("this process is taking over from another one; try again")
	}
	i, err := s.find(name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(states, i.is) {
		return fmt.Errorf("server %q is %s", name, i.status(i.counts()).State)
	}
	return do(i)
}

// find returns the instance of the configuration that has the name.
func (s *Supervisor) find(name string) (*Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := slices.IndexFunc(s.instances, func(i *Instance) bool { return i.name == name })
	if n < 0 {
		return nil, fmt.Errorf("there is no server %q", name)
	}
	return s.instances[n], nil
}

// suspend has the system refuse clients.
func (i *Instance) suspend() error {
	for _, socket := range i.boundSockets() {
		if err := socket.Suspend(); err != nil {
			err = fmt.Errorf("server %q: suspend %s %s: %w", i.name, socket.key.network, socket.Addr(), err)
			return errors.Join(err, i.resume())
		}
	}
	i.enter(Suspended)
	return nil
}

// resume undoes suspend, and what another instance has suspended.
func (i *Instance) resume() error {
	for _, socket := range i.boundSockets() {
		if err := socket.Resume(); err != nil {
			i.enter(Suspended)
			return fmt.Errorf("server %q: resume %s %s: %w", i.name, socket.key.network, socket.Addr(), err)
		}
	}
	i.enter(Serving)
	return nil
}

// settle has an instance serve or be suspended, and its sockets, which others may have had, agree.
func (i *Instance) settle(suspended bool) {
	if !suspended {
		if err := i.resume(); err != nil {
			i.log.Error("suspended, as one of its sockets still is", "error", err)
		}
	} else if err := i.suspend(); err != nil { // of a socket that the one before did not have
		i.log.Error("not suspended, though the server before it was", "error", err)
	}
}

func (i *Instance) boundSockets() []*Socket {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.bound
}

// halt records that the operator stops the instance.
func (i *Instance) halt() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.halted = true
}

func (i *Instance) isHalted() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.halted
}
