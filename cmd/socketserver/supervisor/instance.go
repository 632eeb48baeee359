package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/distributed"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A State is what an instance does.
type State string

// The states, in their order. A suspended instance may serve again. An instance fails when one of
// its listeners breaks, which stops it.
const (
	Starting  State = "starting"
	Serving   State = "serving"
	Suspended State = "suspended" // clients are refused
	Draining  State = "draining"
	Stopped   State = "stopped"
	Failed    State = "failed"
)

func (s State) ended() bool { return s == Stopped || s == Failed }

// An Instance is a server block that runs: servers that share one strategy, one handler class
// and one set of limits. It owns its servers and holds sockets of the supervisor's table.
type Instance struct {
	name       string
	log        hclog.Logger
	sockets    *Sockets
	bound      []*Socket // guarded by mu
	strategy   framework.Strategy
	serves     *distributed.Worker // has the requests of the instance, in place of sockets; nil: those have
	class      *class
	kept       *kept // state of the handlers; nil: the handler uses none
	limits     *framework.Limits
	counters   *Counters
	requests   *requests
	events     *Events
	trace      framework.Trace
	servers    []*framework.BaseServer
	tls        []*layer.TLS       // of its transports
	before     []*layer.TLS       // of the instance that it replaces, if the class is the same
	transports []config.Transport // of each of its servers

	retired context.Context // done when the instance is retired
	retire  context.CancelFunc
	killed  context.Context // done when nothing is waited for any more
	kill    context.CancelFunc
	over    chan struct{} // closed when the instance has ended, and that was logged

	follows   bool // it replaces another one
	suspended bool // from its beginning, as the one that it replaces was

	mu     sync.Mutex
	config *config.Server // as it is applied
	state  State
	since  time.Time // when state was entered
	halted bool      // by the operator, who may start the server again

	replaced bool          // another instance or process has taken its place
	most     time.Duration // that its requests may take then; 0: any time
}

// newInstance makes an instance of server that does not listen yet and owns its class. In place of
// old, which may be nil, it counts against the same limits.
func (s *Supervisor) newInstance(server *config.Server, c *class, old *Instance) *Instance {
	i := &Instance{
		name: server.Name, config: server, log: s.options.Log.With("server", server.Name), sockets: s.sockets,
		strategy: server.Strategy(s.options.Means), serves: s.options.Serves, class: c, kept: s.stateOf(server), limits: server.NewLimits(),
		counters: s.countersOf(server.Name), events: s.events,
		state: Starting, since: time.Now(), over: make(chan struct{}), follows: old != nil,
		suspended: old.is(Suspended) || old == nil && slices.Contains(s.suspended, server.Name),
	}
	i.requests = newRequests()
	i.trace = i.follow(i.counters.trace())
	if old != nil && !sharesSockets(i.strategy) {
		i.limits = old.limits
	}
	if old != nil && old.class == c { // else its processes, which have the keys of sessions, may be others' as well
		i.before = old.tls
	}
	if old != nil && old.class == c && i.strategy.Place() != framework.InWorkers && old.configuration().Concurrency == server.Concurrency {
		i.strategy = old.strategy // its bound is for the requests of both
	}
	if s.options.Ended != nil {
		count := i.trace.Ended
		i.trace.Ended = func(r *framework.Request, ended framework.Outcome) {
			count(r, ended)
			if i.configuration().AccessLog {
				s.options.Ended(r, ended)
			}
		}
	}
	i.killed, i.kill = context.WithCancel(context.Background())
	i.retired, i.retire = context.WithCancel(i.killed)
	return i
}

// sharesSockets reports whether workers accept, and apply limits of their own.
func sharesSockets(s framework.Strategy) bool {
	_, shares := s.(framework.SocketSharer)
	return shares
}

// configuration returns the server block that is applied.
func (i *Instance) configuration() *config.Server {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.config
}

// canBecome reports whether the instance can become s while it serves: they differ in access,
// limits, timeouts, the access log and how a process is replaced alone, and no process was started with them.
func (i *Instance) canBecome(s *config.Server) bool {
	was := i.configuration()
	then := *s
	then.AccessLog, then.Replace = was.AccessLog, was.Replace
	if !sharesSockets(i.strategy) {
		then.Access, then.Limits = was.Access, was.Limits
	}
	if i.strategy.Place() != framework.InWorkers && i.class.Executor == nil {
		then.Timeouts = was.Timeouts
	}
	return s.Limits.Line == was.Limits.Line && equal(was, &then)
}

// ending reports whether the instance has been stopped, by one of its requests for example.
func (i *Instance) ending() bool {
	select {
	case <-i.servers[0].Done():
		return true
	default:
		return false
	}
}

// become applies the limits and timeouts of s.
func (i *Instance) become(s *config.Server) {
	i.limits.Change(s.NewLimits())
	for _, server := range i.servers {
		server.ChangeTimeouts(s.Timeouts)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.config = s
}

// Retire makes the instance take no more requests; those under way go on undisturbed, within the
// drain timeout or, where it is replaced, for as long as most; 0: as they take. It does
// not wait for them.
func (i *Instance) Retire(replaced bool, most time.Duration) {
	i.mu.Lock()
	i.replaced, i.most = replaced, most
	i.mu.Unlock()
	i.enter(Draining)
	i.retire()
	var retiring sync.WaitGroup
	for _, s := range i.servers {
		retiring.Go(func() { _ = s.Retire(i.retired) }) // which is done: requests are not waited for
	}
	retiring.Wait()
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
	i.logWaiting()
	i.release()
	if replaced, most := i.isReplaced(); replaced {
		if most > 0 {
			late, cancel := context.WithTimeout(ctx, most)
			defer cancel()
			ctx = late
		}
		i.finish(ctx)
	}
	i.drain(ctx)
	i.class.countRestarts(i.counters)
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

// finish waits for the requests until ctx is done.
func (i *Instance) finish(ctx context.Context) {
	undisturbed, disturb := context.WithCancel(i.killed)
	defer disturb()
	defer context.AfterFunc(ctx, disturb)()
	for _, s := range i.servers {
		_ = s.Retire(undisturbed)
	}
}

// drain ends the servers, within the drain timeout. Requests of a retired instance go on
// undisturbed until ctx is done, too.
func (i *Instance) drain(ctx context.Context) {
	drained := i.killed
	if drain := i.configuration().Timeouts.Drain; drain > 0 {
		timeout, cancel := context.WithTimeout(drained, drain)
		defer cancel()
		drained = timeout
	}
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
	if requests := i.active(); requests > 0 {
		i.log.Info("waiting for requests", "requests", requests, "at_most", i.atMost())
	}
}

// atMost is how long the instance waits for requests.
func (i *Instance) atMost() string {
	replaced, most := i.isReplaced()
	if !replaced {
		most = i.configuration().Timeouts.Drain
	}
	if most > 0 {
		return most.String()
	}
	return "as long as they take"
}

// waitsFor describes what the instance waits for if it is stopped.
func (i *Instance) waitsFor() []string {
	requests := i.active()
	if requests == 0 {
		return nil
	}
	return []string{text.Counted(requests, "request") + " under way", "at most " + i.atMost()}
}

func (i *Instance) active() int {
	requests := 0
	for _, s := range i.servers {
		requests += s.Active()
	}
	return requests
}

// isReplaced reports whether the instance is replaced, and how long its requests may take then; 0: any time.
func (i *Instance) isReplaced() (bool, time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.replaced, i.most
}

// enter changes the state. An instance that drains does not serve again, and the state of one that
// has ended stays.
func (i *Instance) enter(state State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if state == i.state || i.state.ended() || i.state == Draining && !state.ended() {
		return
	}
	i.state, i.since = state, time.Now()
	i.events.emit(true, func() Event { return Event{Kind: "state", Server: i.name, Detail: string(state)} })
}

func (i *Instance) ended() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state.ended()
}

// is reports whether i, which may be nil, is in the state.
func (i *Instance) is(state State) bool {
	if i == nil {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state == state
}
