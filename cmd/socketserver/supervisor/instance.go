package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A State is what an instance does.
type State string

// The states, in their order. An instance fails when one of its listeners breaks, which stops
// it.
const (
	Starting State = "starting"
	Serving  State = "serving"
	Draining State = "draining"
	Stopped  State = "stopped"
	Failed   State = "failed"
)

func (s State) ended() bool { return s == Stopped || s == Failed }

// An Instance is a server block that runs: servers that share one strategy, one handler class
// and one set of limits. It owns its servers and holds sockets of the supervisor's table.
type Instance struct {
	config   *config.Server
	log      hclog.Logger
	sockets  *Sockets
	held     []*Socket
	strategy framework.Strategy
	class    *class
	limits   *framework.Limits
	servers  []*framework.BaseServer

	retired context.Context // done when the instance is retired
	retire  context.CancelFunc
	killed  context.Context // done when nothing is waited for any more
	kill    context.CancelFunc

	mu    sync.Mutex
	state State
	since time.Time // when state was entered
}

// newInstance makes an instance of s that does not listen yet and owns its class.
func newInstance(s *config.Server, o Options, sockets *Sockets) *Instance {
	i := &Instance{
		config: s, log: o.Log.With("server", s.Name), sockets: sockets,
		strategy: s.Concurrency.Strategy(o.Worker), class: newClass(s.Class), limits: s.Limits.New(),
		state: Starting, since: time.Now(),
	}
	i.killed, i.kill = context.WithCancel(context.Background())
	i.retired, i.retire = context.WithCancel(i.killed)
	return i
}

// bind acquires the sockets of every transport. The error has a line for each that cannot be
// had.
func (i *Instance) bind(ctx context.Context) error {
	var errs []error
	for n, t := range i.config.Transports {
		sockets, err := i.sockets.Acquire(ctx, t, fmt.Sprintf("%s/%d", i.config.Name, n), i.log)
		if err != nil {
			errs = append(errs, fmt.Errorf("server %q: %w", i.config.Name, err))
		}
		i.held = append(i.held, sockets...)
		for _, socket := range sockets {
			i.servers = append(i.servers, i.newServer(socket, t))
		}
	}
	return errors.Join(errs...)
}

func (i *Instance) newServer(socket *Socket, t config.Transport) *framework.BaseServer {
	return &framework.BaseServer{
		Name: i.config.Name, Log: i.log, Transport: socket.Transport(),
		Strategy: i.strategy, Class: i.class.HandlerClass, Limits: i.limits, Timeouts: i.config.Timeouts,
		ReadBuffer: t.ReadBuffer, WriteBuffer: t.WriteBuffer, MaxLine: i.config.Limits.MaxLine(), OnStop: i.stop,
	}
}

// listen opens the servers and starts what their strategy needs.
func (i *Instance) listen() error {
	for _, s := range i.servers { // the addresses are bound: an error is not theirs
		if err := s.Listen(); err != nil {
			return fmt.Errorf("server %q: %w", i.config.Name, err)
		}
	}
	return nil
}

// close undoes bind and listen, in place of run.
func (i *Instance) close() {
	for _, s := range i.servers {
		_ = s.Close()
	}
	i.release()
	i.class.release(i.log)
}

// release frees the addresses, unless another instance has them.
func (i *Instance) release() {
	i.sockets.Release(i.held)
	i.held = nil
}

// announce logs where the instance listens.
func (i *Instance) announce() {
	for _, l := range i.listeners() {
		i.log.Info("listening", "network", l.Network, "address", l.Address)
	}
}

func (i *Instance) listeners() []Listener {
	all := make([]Listener, len(i.servers))
	for n, s := range i.servers {
		all[n] = Listener{s.Transport.Network(), s.Addr().String()}
	}
	return all
}

// Retire makes the instance take no more requests; those under way go on undisturbed. It does
// not wait for them, nor until workers of preforking know it.
func (i *Instance) Retire() {
	i.enter(Draining)
	i.retire()
	for _, s := range i.servers {
		_ = s.Retire(i.retired) // which is done, so this does not wait
	}
}

// run serves until ctx is done, or the instance is retired or stopped by one of its requests.
// Then it ends the instance and what that holds: other instances may run for long.
func (i *Instance) run(ctx context.Context) {
	for _, s := range i.servers {
		go i.serve(s)
	}
	select {
	case <-ctx.Done():
	case <-i.retired.Done():
	case <-i.servers[0].Done(): // stop stops all of them
	}
	i.enter(Draining)
	i.drain(ctx)
	i.class.release(i.log)
	i.enter(Stopped)
}

// serve serves with one server. It may outlast run: a synchronous loop runs handlers, and a
// handler that never returns cannot be ended.
func (i *Instance) serve(s *framework.BaseServer) {
	if err := s.ServeForever(); !errors.Is(err, framework.ErrServerClosed) {
		i.log.Error("the listener has ended", "address", s.Addr().String(), "error", err)
		i.enter(Failed)
		i.stop()
	}
}

// stop ends the instance without waiting. Handlers may call it.
func (i *Instance) stop() {
	for _, s := range i.servers {
		s.Stop()
	}
}

// drain ends the servers, within the drain timeout. Requests of a retired instance go on
// undisturbed until ctx is done, too.
func (i *Instance) drain(ctx context.Context) {
	drained := i.killed
	if drain := i.config.Timeouts.Drain; drain > 0 {
		timeout, cancel := context.WithTimeout(drained, drain)
		defer cancel()
		drained = timeout
	}
	i.logWaiting()
	i.release()
	defer context.AfterFunc(ctx, i.stop)()
	var servers sync.WaitGroup
	for _, s := range i.servers {
		servers.Go(func() {
			_ = s.Retire(drained)
			if err := s.Shutdown(drained); err != nil {
				i.log.Warn("requests were cut off", "error", err)
			}
		})
	}
	servers.Wait()
}

// logWaiting logs what a stop waits for. Workers of preforking log it themselves.
func (i *Instance) logWaiting() {
	requests := i.active()
	if requests == 0 {
		return
	}
	atMost := "as long as they take"
	if drain := i.config.Timeouts.Drain; drain > 0 {
		atMost = drain.String()
	}
	i.log.Info("waiting for requests", "requests", requests, "at_most", atMost)
}

func (i *Instance) active() int {
	requests := 0
	for _, s := range i.servers {
		requests += s.Active()
	}
	return requests
}

// enter changes the state, which stays once the instance has ended.
func (i *Instance) enter(state State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if state != i.state && !i.state.ended() {
		i.state, i.since = state, time.Now()
	}
}

func (i *Instance) ended() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state.ended()
}
