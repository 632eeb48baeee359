// Package supervisor runs the servers of a configuration.
//
// A [Supervisor] has an [Instance] for every server block, and [Sockets] that outlive them:
// when a block changes, the new instance serves the same socket before the old one retires.
package supervisor

import (
	"context"
	"errors"
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
	ballast []byte
	ctx     context.Context // done when the instances are to stop
	cancel  context.CancelFunc
	idle    chan struct{} // closed when the last instance has ended

	applying sync.Mutex // held by Apply

	mu        sync.Mutex
	instances []*Instance // of the configuration, in its order
	replaced  []*Instance // by these; they still drain
	live      int         // instances that have not ended
}

// ballastSize is memory in bytes that counts as in use for the garbage collector and takes
// none, as nothing touches it. A daemon whose requests keep nothing would collect every 3 MB
// without it, thirty times a second with datagrams; with it every 16 MB.
const ballastSize = 12 << 20

// Options are what a supervisor needs beside the configuration.
type Options struct {
	Log    hclog.Logger
	Worker *framework.Program // of worker processes with compiled-in handlers; nil: this program
}

// New returns a supervisor that runs nothing yet.
func New(o Options) *Supervisor {
	reserveThreads()
	s := &Supervisor{options: o, sockets: &Sockets{open: map[socketKey]*Socket{}}, ballast: make([]byte, ballastSize), idle: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Apply makes c the configuration: the first time it starts every server, later it starts,
// replaces and retires those that differ and leaves the others alone. It returns when the new
// instances serve and the old ones take no more requests. On an error nothing has changed;
// it has a line for every transport that cannot listen.
//
// Apply owns the classes of c in any case.
func (s *Supervisor) Apply(ctx context.Context, c *config.Config) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.warnAboutProcesses(c)
	p := s.plan(c)
	if err := p.open(ctx); err != nil {
		p.close()
		return err
	}
	if !s.commit(p) {
		p.close()
		return errors.New("socketserver: the configuration was not applied, as the servers are being stopped")
	}
	s.warnAboutFiles(c)
	for _, i := range p.fresh {
		i.announce()
	}
	listeners := 0
	for _, i := range p.next {
		listeners += len(i.servers)
	}
	s.options.Log.Info("ready", "servers", len(p.next), "listeners", listeners)
	for _, i := range p.fresh {
		i.enter(Serving)
		go func() {
			i.run(s.ctx)
			s.end(i)
		}()
	}
	for _, i := range p.old {
		i.Retire()
	}
	return nil
}

// commit reports whether p takes effect, which it does not once the instances are to stop.
func (s *Supervisor) commit(p *plan) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	p.old = slices.DeleteFunc(p.old, (*Instance).ended)
	s.instances, s.replaced = p.next, append(s.replaced, p.old...)
	s.live += len(p.fresh)
	return true
}

// end is called when an instance has ended. The last one to be logged ends Run.
func (s *Supervisor) end(i *Instance) {
	s.mu.Lock()
	s.replaced = slices.DeleteFunc(s.replaced, func(r *Instance) bool { return r == i })
	s.mu.Unlock()
	i.log.Info("stopped")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live--; s.live == 0 {
		s.cancel() // nothing can be started any more
		close(s.idle)
	}
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
}

// stop begins to stop every instance. None is started any more.
func (s *Supervisor) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
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

// warnAboutProcesses compares the limit of processes, which counts threads, with what the
// configuration allows.
func (s *Supervisor) warnAboutProcesses(c *config.Config) {
	const perProcess, own = 6, 32 // threads
	limit := processesLimit()
	need := own
	for _, server := range c.Servers {
		need += perProcess * (server.Concurrency.MaxChildren + server.Concurrency.Workers)
		if server.Handler.Kind == "plugin" {
			need += perProcess
		}
	}
	if limit > 0 && need > limit {
		s.options.Log.Warn("the limit of processes and threads is lower than the configuration may need", "limit", limit, "need", need,
			"next", "raise it (TasksMax, docker --pids-limit, ulimit -u) or lower max_children and workers")
	}
}

// warnAboutFiles compares the limit of descriptors with what the configuration allows.
func (s *Supervisor) warnAboutFiles(c *config.Config) {
	limit := openFilesLimit()
	need := 64
	for _, server := range c.Servers {
		need += 2 * server.Limits.Connections
	}
	if limit > 0 && need > limit {
		s.options.Log.Warn("the limit of open descriptors is lower than the configuration may need",
			"limit", limit, "need", need, "next", "raise it (ulimit -n, LimitNOFILE) or lower limits.connections")
	}
}
