package supervisor

import (
	"context"
	"encoding/json"
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

// The states, in their order. Failed is an instance that a broken listener has stopped.
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
	settings []byte // config as JSON, to be compared
	log      hclog.Logger
	sockets  *Sockets
	held     []*Socket
	strategy framework.Strategy
	class    *class
	limits   *framework.Limits
	servers  []*framework.BaseServer

	retired context.Context // done when the instance is retired
	retire  context.CancelFunc

	mu     sync.Mutex
	state  State
	since  time.Time // when state was entered
	failed bool
}

// newInstance makes an instance of s that does not listen yet and owns its class.
func newInstance(s *config.Server, o Options, sockets *Sockets) *Instance {
	i := &Instance{
		config: s, settings: settingsOf(s), log: o.Log.With("server", s.Name), sockets: sockets,
		strategy: s.Concurrency.Strategy(o.Worker), class: newClass(s.Class), limits: s.Limits.New(),
		state: Starting, since: time.Now(),
	}
	i.retired, i.retire = context.WithCancel(context.Background())
	return i
}

// settingsOf returns what decides whether a server has changed.
func settingsOf(s *config.Server) []byte {
	settings, _ := json.Marshal(s) // of plain values
	return settings
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
		ReadBuffer: t.ReadBuffer, WriteBuffer: t.WriteBuffer, OnStop: i.stop,
	}
}

// listen opens the servers and starts what their strategy needs.
func (i *Instance) listen() error {
	for n, s := range i.servers {
		if err := s.Listen(); err != nil {
			return fmt.Errorf("server %q: %w", i.config.Name, listenError(i.held[n].key.network, i.held[n].key.address, err))
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
		i.mu.Lock()
		i.failed = true
		i.mu.Unlock()
		i.stop()
	}
}

// stop ends the instance without waiting. Handlers may call it.
func (i *Instance) stop() {
	for _, s := range i.servers {
		s.Stop()
	}
}

// drain ends the servers within the drain timeout. A retired instance lets its requests go on
// until then or until ctx is done, which cancels their contexts.
func (i *Instance) drain(ctx context.Context) {
	drained, cancel := context.WithCancel(context.Background())
	if drain := i.config.Timeouts.Drain; drain > 0 {
		drained, cancel = context.WithTimeout(context.Background(), drain)
	}
	defer cancel()
	undisturbed, disturb := context.WithCancel(drained)
	defer context.AfterFunc(ctx, disturb)()
	i.logWaiting()
	i.release()
	var servers sync.WaitGroup
	for _, s := range i.servers {
		servers.Go(func() {
			if i.retired.Err() != nil {
				_ = s.Retire(undisturbed)
			}
			i.shutdown(drained, s)
		})
	}
	servers.Wait()
}

// shutdown stops a server and cuts off its requests when ctx is done.
func (i *Instance) shutdown(ctx context.Context, s *framework.BaseServer) {
	if err := s.Shutdown(ctx); err != nil {
		i.log.Warn("requests were cut off", "error", err)
	}
}

// kill cuts off all requests at once.
func (i *Instance) kill(servers *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range i.servers {
		servers.Go(func() { i.shutdown(ctx, s) })
	}
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

func (i *Instance) enter(state State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if state == Stopped && i.failed {
		state = Failed
	}
	if state != i.state && !i.state.ended() {
		i.state, i.since = state, time.Now()
	}
}

func (i *Instance) ended() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state.ended()
}
