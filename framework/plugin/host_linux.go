package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/internal/patience"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second

	// maxWait bounds the time that a request waits for a plugin that is being restarted.
	maxWait = 5 * time.Second
)

// host runs the plugin of one server: one process at a time, restarted when it has ended.
// It executes the requests of the class that Open returns.
type host struct {
	begin    beginner
	settings Settings
	image    *process.Image

	ctx    context.Context // done when the class is being closed
	cancel context.CancelFunc
	ended  chan struct{} // closed when supervise has returned
	reset  chan struct{} // ends a back-off
	closed sync.Once

	mu      sync.Mutex
	current *instance       // nil while it is being restarted
	refused error           // why requests do not wait for it
	changed chan struct{}   // closed when one of these has changed
	server  context.Context // of the server that asked last and did not stop; nil: none has

	failures []time.Time // within Restart.Within; supervise's
	restarts atomic.Int64
}

// A beginner starts a process of a kind and configures it.
type beginner func(context.Context, *Settings, *process.Image) (*instance, *framework.WorkerHello, error)

func openGo(ctx context.Context, s Settings) (*framework.HandlerClass, error) {
	return openKept(ctx, s, beginGo)
}

// openKept starts a plugin whose process is kept.
//
// A process that ends is restarted, and requests wait for it for up to five seconds. One that
// was given a request starts at once, as the request may have ended it. One that cannot start
// or ends before that is restarted after 0.1 to 30 seconds; when it has failed as often as its
// Restart allows requests fail at once.
func openKept(ctx context.Context, s Settings, begin beginner) (*framework.HandlerClass, error) {
	h, err := newHost(s)
	if err != nil {
		return nil, err
	}
	h.begin = begin
	first, hello, err := h.start(ctx)
	if err != nil {
		h.release()
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	h.current = first
	go h.supervise(first)
	return &framework.HandlerClass{
		Networks: hello.Networks, Stateful: hello.Stateful, UsesState: hello.State, Close: h.close,
		Executor: executor{framework.InWorker(h.worker), h}, Isolates: hello.Forks, Program: h.program(hello.Layers),
	}, nil
}

// An executor has requests run in the process of a host, which an operator may look at.
type executor struct {
	framework.Executor
	host *host
}

// Process returns the id of the process that serves and when it was started; 0: none does.
func (e executor) Process() (pid int, since time.Time) {
	e.host.mu.Lock()
	defer e.host.mu.Unlock()
	if i := e.host.current; i != nil {
		return i.runner.pid(), i.began
	}
	return 0, time.Time{}
}

// Problem returns why requests do not wait for the plugin, which has failed too often; nil: they do.
func (e executor) Problem() error {
	e.host.mu.Lock()
	defer e.host.mu.Unlock()
	return e.host.refused
}

// Restarts returns how often the plugin was started again after it had ended.
func (e executor) Restarts() int64 { return e.host.restarts.Load() }

// Reset has a plugin that is not available started again at once, and forgets how often it has
// failed.
func (e executor) Reset() error {
	e.host.mu.Lock()
	defer e.host.mu.Unlock()
	if e.host.current != nil {
		return fmt.Errorf("plugin %q runs", e.host.settings.Name)
	}
	select {
	case e.host.reset <- struct{}{}:
	default: // it was reset a moment ago
	}
	return nil
}

func newHost(s Settings) (*host, error) {
	if s.Log == nil {
		s.Log = hclog.Default()
	}
	s.Log = s.Log.With("plugin", s.Name)
	if s.Timeouts.Drain == 0 {
		s.Timeouts.Drain = 10 * time.Second
	}
	s.started = &atomic.Int64{}
	s.Restart.Max, s.Restart.Within = cmp.Or(s.Restart.Max, 5), cmp.Or(s.Restart.Within, time.Minute)
	h := &host{settings: s, ended: make(chan struct{}), reset: make(chan struct{}, 1), changed: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	var err error
	if h.image, err = process.Pin(s.File()); err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	first := process.Command{
		Image: h.image, Directory: s.WorkingDirectory, Restrictions: process.Restrictions(s.Limits), Sandbox: (*process.Sandbox)(s.Sandbox),
	}
	if err := first.Reach(s.executed(s.File())); err != nil {
		return nil, errors.Join(fmt.Errorf("plugin %q: %w", s.Name, err), h.image.Close())
	}
	return h, nil
}

// release releases what newHost acquired.
func (h *host) release() {
	h.cancel()
	_ = h.image.Close()
}

// untilStarted bounds the start of a process.
func (h *host) untilStarted(ctx context.Context) (context.Context, context.CancelFunc) {
	h.settings.started.Store(0)
	return patience.WithTimeout(ctx, startTimeout, func() int { return int(h.settings.started.Load()) })
}

// start starts a process, configures it and asks it for its health.
func (h *host) start(ctx context.Context) (*instance, *framework.WorkerHello, error) {
	ctx, cancel := h.untilStarted(ctx)
	defer cancel()
	i, hello, err := h.begin(ctx, &h.settings, h.image)
	if err != nil {
		return nil, nil, err
	}
	if err := i.checkHealth(ctx); err != nil {
		err = fmt.Errorf("health: %w", i.problem(ctx, err))
		i.discard()
		return nil, nil, err
	}
	return i, hello, nil
}

// supervise restarts the plugin when it has ended, until the class is closed; then it ends it.
func (h *host) supervise(i *instance) {
	defer close(h.ended)
	for i != nil {
		i.watch(h.ctx, h.settings.Log)
		if h.ctx.Err() != nil {
			i.stop(h.settings.Timeouts.Drain)
			return
		}
		h.set(nil, nil)
		i.discard()
		why, delay := i.end(), minBackoff
		if !i.used.Load() {
			delay = h.failed(why)
		}
		i = h.restart(why, delay)
	}
}

// restart starts the plugin, which ended for that reason, until it succeeds. It returns nil
// when the class is being closed.
func (h *host) restart(why error, delay time.Duration) *instance {
	log := h.settings.Log
	for ; ; delay = h.failed(why) {
		if !h.pause(minBackoff) || !h.isWanted(why) {
			return nil
		}
		log.Error("plugin ended and is started again", "error", why, "delay", delay.String())
		if !h.pause(delay - minBackoff) {
			return nil
		}
		var i *instance
		if i, _, why = h.start(h.ctx); why == nil {
			h.restarts.Add(1)
			log.Info("plugin started again", "pid", i.runner.pid())
			h.set(i, nil)
			return i
		}
		if h.ctx.Err() != nil {
			return nil
		}
	}
}

// pause waits, unless the plugin is reset, and reports whether the class is still open after that.
func (h *host) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-h.reset:
		h.failures = nil
		h.set(nil, nil)
		return true
	case <-h.ctx.Done():
		return false
	}
}

// isWanted reports whether the plugin is to be restarted. While its server stops, which may be
// why the process ended, it waits for another server of the class or the end.
func (h *host) isWanted(why error) bool {
	for logged := false; ; logged = true {
		h.mu.Lock()
		server, changed := h.server, h.changed
		h.mu.Unlock()
		if server == nil || server.Err() == nil {
			return true
		}
		if !logged {
			h.settings.Log.Info("plugin ended while its server stops", "error", why)
		}
		select {
		case <-changed: // maybe another server of the class has asked
		case <-h.ctx.Done():
			return false
		}
	}
}

// failed records a process that ended by itself or did not start, and returns the time to wait
// before the next start.
func (h *host) failed(why error) time.Duration {
	now, limit := time.Now(), h.settings.Restart
	h.failures = slices.DeleteFunc(h.failures, func(at time.Time) bool { return now.Sub(at) > limit.Within })
	h.failures = append(h.failures, now)
	if n := len(h.failures); n < limit.Max {
		return min(minBackoff<<min(n-1, 10), maxBackoff)
	}
	h.set(nil, h.unavailable(fmt.Errorf("plugin %q is not available: it ended %s within %s, last because: %w", h.settings.Name, times(len(h.failures)), limit.Within, why)))
	return maxBackoff
}

// unavailable returns err as that of a request which no process can serve.
func (h *host) unavailable(err error) error {
	return &framework.UnavailableError{Text: h.settings.Restart.Unavailable, Err: err}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// set sets the process that serves, or why none does.
func (h *host) set(i *instance, refused error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.current, h.refused = i, refused
	h.broadcast()
}

// broadcast wakes those who wait for a change. h.mu is held.
func (h *host) broadcast() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// worker returns the process, and waits while there is none.
func (h *host) worker(ctx context.Context) (*framework.Worker, error) {
	late := time.NewTimer(maxWait)
	defer late.Stop()
	for {
		h.mu.Lock()
		if ctx.Err() == nil {
			stopped := h.server != nil && h.server.Err() != nil
			if h.server = ctx; stopped {
				h.broadcast()
			}
		}
		i, refused, changed := h.current, h.refused, h.changed
		h.mu.Unlock()
		if i != nil {
			select {
			case <-i.worker.Gone(): // and supervise is about to notice
			default:
				i.used.Store(true)
				return i.worker, nil
			}
		}
		if refused != nil {
			return nil, refused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, framework.ErrServerClosed
		case <-h.ctx.Done():
			return nil, framework.ErrServerClosed
		case <-late.C:
			return nil, h.unavailable(fmt.Errorf("plugin %q is being restarted and is not ready after %s", h.settings.Name, maxWait))
		}
	}
}

// program returns the program of workers: the image that was opened once, so that children run
// the one that was described.
func (h *host) program(layers bool) *framework.Program {
	s := h.settings
	return &framework.Program{
		Path: h.image.Path(), Name: s.Path, Args: s.Args, Command: s.Command, Env: s.Environment, Directory: s.WorkingDirectory, Options: s.Options,
		Restrictions: s.Limits, Sandbox: s.Sandbox, Layers: layers, Preambles: layers, // Serve sets what restores both
	}
}

// close ends the plugin. It may be called more than once.
func (h *host) close() error {
	h.closed.Do(func() {
		h.cancel()
		<-h.ended
		h.release()
	})
	return nil
}
