// Package supervisor runs the servers of a configuration.
//
// A [Supervisor] has an [Instance] for every server block, and [Sockets] that outlive them:
// when a block changes, the new instance serves the same socket before the old one retires.
package supervisor

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// A Supervisor runs server blocks until they are stopped.
type Supervisor struct {
	options Options
	sockets *Sockets
	beside  beside
	ballast []byte
	ctx     context.Context // done when the instances are to stop
	cancel  context.CancelFunc
	idle    chan struct{} // closed when the last instance has ended
	settled sync.Once     // closes idle

	events *Events

	applying  sync.Mutex // held by Apply and by what the operator does
	suspended []string   // servers of the process before this one that are to begin so; guarded by applying

	mu        sync.Mutex
	counters  map[string]*Counters // by the name of the server
	states    map[string]*kept     // likewise, of the configuration
	instances []*Instance          // of the configuration, in its order
	replaced  []*Instance          // by these; they still drain
	live      int                  // instances that have not ended
}

// ballastSize is memory in bytes that counts as in use for the garbage collector and takes
// none, as nothing touches it. A daemon whose requests keep nothing would collect every 3 MB
// without it, thirty times a second with datagrams; with it every 16 MB.
const ballastSize = 12 << 20

// Options are what a supervisor needs beside the configuration.
type Options struct {
	Log hclog.Logger
	config.Means
	OpenState OpenState // nil: states are in memory only
	// Ended is called for each request of a server with an access log that was served and has ended,
	// as [framework.Trace.Ended] is; nil: it is not.
	Ended func(*framework.Request, framework.Outcome)
	// Recycle replaces the plugin's process of a server, unless ctx is done, for a reason that is a
	// phrase. nil: none is recycled.
	Recycle func(ctx context.Context, server, why string) error
}

// New returns a supervisor that runs nothing yet.
func New(o Options) *Supervisor {
	reserveThreads()
	s := &Supervisor{options: o, sockets: &Sockets{open: map[socketKey]*Socket{}}, beside: beside{servers: map[string][]*framework.BaseServer{}}, counters: map[string]*Counters{}, events: &Events{}, ballast: make([]byte, ballastSize), idle: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Apply makes c the configuration: the first time it starts every server, later it does the
// least that leads to c, and returns what that was. It returns when the new instances serve and
// the old ones take no more requests. On an error nothing has changed; it has a line for every
// transport that cannot listen.
//
// Apply owns the classes of c in any case. A server whose class is the one that it has, see
// [Supervisor.Class], keeps it.
func (s *Supervisor) Apply(ctx context.Context, c *config.Config) (Plan, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.warnAboutProcesses(c)
	t, err := s.prepare(c)
	if err != nil {
		t.close(s)
		return nil, err
	}
	if err := s.perform(ctx, t); err != nil {
		return nil, err
	}
	t.planRenewals((*Instance).renewCertificates)
	s.warnAboutFiles(c)
	if first := len(t.plan) == len(t.fresh) && len(t.old) == 0; first {
		s.warnAboutRoot(c)
		s.ready(t)
	}
	return t.plan, nil
}

// Renew gives servers that run the classes that they have in c, and leaves all others as they are, also those
// that have stopped. It is otherwise like Apply.
func (s *Supervisor) Renew(ctx context.Context, c *config.Config) (Plan, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	t, err := s.prepareRenewal(c)
	if err != nil {
		t.close(s)
		return nil, err
	}
	return t.plan, s.perform(ctx, t)
}

// perform makes t what runs. On an error nothing has changed.
func (s *Supervisor) perform(ctx context.Context, t *transition) error {
	err := t.open(ctx, s)
	if err == nil && !s.commit(t) {
		err = errors.New("socketserver: the configuration was not applied, as the servers are being stopped")
	}
	if err != nil {
		t.close(s)
		return err
	}
	for _, kept := range t.gone {
		s.releaseState(kept)
	}
	for i, server := range t.turn {
		i.become(server)
	}
	for _, i := range t.fresh {
		i.limits.Change(i.configuration().NewLimits()) // which it may have of another one
		i.settle(i.suspended)
		i.announce()
		s.begin(i)
	}
	for i, replaced := range t.old {
		most := i.configuration().Replace.Drain // of a process, which the next instance may have, too
		if slices.ContainsFunc(t.fresh, func(next *Instance) bool { return next.class == i.class }) {
			most = 0
		}
		i.Retire(replaced, most)
	}
	s.beside.retire(1)
	return nil
}

// begin runs an instance.
func (s *Supervisor) begin(i *Instance) {
	c := i.configuration()
	elsewhere := c.Concurrency.Kind == "distributed" && i.serves == nil // its process serves nothing
	if s.options.Recycle != nil && c.Recycle != (config.Recycle{}) && !elsewhere {
		go i.recycle(s.ctx, s.options.Recycle)
	}
	go func() {
		i.run(s.ctx)
		s.releaseState(i.kept)
		s.end(i)
	}()
}

// ready logs the first configuration.
func (s *Supervisor) ready(t *transition) {
	listeners := 0
	for _, i := range t.next {
		listeners += len(i.servers)
	}
	s.options.Log.Info("ready", "servers", len(t.next), "listeners", listeners)
}

// Plan returns what Apply would do. It closes the classes of c that are not used yet.
func (s *Supervisor) Plan(c *config.Config) (Plan, error) {
	s.applying.Lock()
	defer s.applying.Unlock()
	t, err := s.prepare(c)
	if err == nil {
		t.planRenewals((*Instance).renewals)
	}
	t.close(s)
	return t.plan, err
}

// commit reports whether t takes effect, which it does not once the instances are to stop.
func (s *Supervisor) commit(t *transition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	maps.DeleteFunc(t.old, func(i *Instance, _ bool) bool { return i.ended() })
	t.gone = s.keepStates(t.next)
	s.instances, s.replaced = t.next, slices.AppendSeq(s.replaced, maps.Keys(t.old))
	s.live += len(t.fresh)
	return true
}

// end is called when an instance has ended. The last one to be logged ends Run.
func (s *Supervisor) end(i *Instance) {
	s.mu.Lock()
	s.replaced = slices.DeleteFunc(s.replaced, func(r *Instance) bool { return r == i })
	s.mu.Unlock()
	i.log.Info("stopped")
	close(i.over)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live--
	s.settle()
}

// settle ends Run where nothing runs, unless the operator may start a server again. s.mu is held.
func (s *Supervisor) settle() {
	waits := slices.ContainsFunc(s.instances, func(i *Instance) bool { return i.isHalted() }) && s.ctx.Err() == nil
	if s.live > 0 || waits {
		return
	}
	s.cancel() // nothing can be started any more
	s.settled.Do(func() { close(s.idle) })
}

// Run waits until ctx is done or every instance has stopped by itself, and then stops the
// others, each within its drain timeout. It logs what had to be cut off. Apply was called
// before.
func (s *Supervisor) Run(ctx context.Context) {
	select {
	case <-ctx.Done():
		s.options.Log.Info("stopping; a second signal stops at once")
		s.stop()
		<-s.idle
	case <-s.idle:
		s.options.Log.Info("every server has stopped")
	}
	s.mu.Lock()
	gone := s.keepStates(nil)
	s.mu.Unlock()
	for _, kept := range gone {
		s.releaseState(kept)
	}
}

// stop begins to stop every instance. None is started any more.
func (s *Supervisor) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	s.settle()
}

// Kill ends every instance at once, also while Run stops them: connections are closed and
// processes killed, also those that handlers left behind. It waits for a second at most, and for readers of the log.
func (s *Supervisor) Kill() {
	s.stop()
	for _, i := range s.all() {
		i.kill()
	}
	<-s.idle
	framework.EndOrphans()
}

// all returns the instances of the configuration and those that they have replaced.
func (s *Supervisor) all() []*Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.instances, s.replaced)
}

// warnAboutRoot names the servers whose handlers run as root though nothing says that they shall.
func (s *Supervisor) warnAboutRoot(c *config.Config) {
	if os.Geteuid() != 0 {
		return
	}
	var names []string
	for _, server := range c.Servers {
		process := server.Process
		if block := c.Defined[server.Handler.Name]; server.Handler.Kind == "plugin" && block != nil {
			process = process.Under(block.Process)
		}
		if !process.NamesUser() {
			names = append(names, server.Name)
		}
	}
	if len(names) > 0 {
		s.options.Log.Warn("handlers run as root", "servers", names,
			"next", `run the daemon as another user, or write process { user = "NAME" }; in defaults { } and with "root" it says that this is meant`)
	}
}

// warnAboutProcesses compares the limit of processes, which counts threads, with what the
// configuration allows.
func (s *Supervisor) warnAboutProcesses(c *config.Config) {
	const own = 32 // threads
	limit := processesLimit()
	need := own
	for _, server := range c.Servers {
		need += config.ThreadsPerProcess * server.Concurrency.Processes()
		if server.Handler.Kind == "plugin" {
			need += config.ThreadsPerProcess
		}
	}
	if limit > 0 && need > limit {
		s.options.Log.Warn("the limit of processes and threads is lower than the configuration may need", "limit", limit, "need", need,
			"next", "raise it (TasksMax, docker --pids-limit, ulimit -u) or lower max_children and workers")
	}
}

// warnAboutFiles compares the limit of descriptors with what the configuration allows.
func (s *Supervisor) warnAboutFiles(c *config.Config) {
	limit, need := openFilesLimit(), filesNeeded(c)
	if limit > 0 && need > limit {
		s.options.Log.Warn("the limit of open descriptors is lower than the configuration may need",
			"limit", limit, "need", need, "next", "raise it (ulimit -n, LimitNOFILE) or lower limits.connections")
	}
}

// filesNeeded returns how many descriptors the configuration may need.
func filesNeeded(c *config.Config) int {
	need := 64
	for _, s := range c.Servers {
		need += 2 * s.Limits.Connections
		if s.Class == nil || !s.Class.Isolates || s.Class.Program != nil {
			continue
		}
		each := 2 // beside the connection: what the program prints, and the process
		if slices.ContainsFunc(s.Transports, func(t config.Transport) bool { return t.Datagrams() }) {
			each = 4 // the datagram and its answer, too
		}
		programs := s.Limits.Connections
		if most := max(s.Concurrency.MaxChildren, s.Concurrency.MaxThreads); most > 0 {
			programs = min(programs, most)
		}
		need += each * programs
	}
	return need
}
