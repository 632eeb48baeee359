package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A Worker is the server's side of a process that finishes requests, which calls [ServeChannel].
type Worker struct {
	process *worker.Process
	server  atomic.Pointer[BaseServer] // the last one that had a request for it
}

// NewWorker returns the Worker of a process that was started with the other end of a pair of
// SOCK_SEQPACKET sockets as descriptor 3. It owns descriptor. end is called once, when the
// process has closed its end: it must make sure that the process goes, wait for it, and return
// why it went. kill ends the process at once; it may be called at any time. On an error the descriptor is closed.
func NewWorker(descriptor, pid int, log hclog.Logger, end func() error, kill func()) (*Worker, error) {
	channel, err := handoff.FromDescriptor(descriptor)
	if err != nil {
		return nil, err
	}
	w := new(Worker)
	w.process = worker.NewProcess(channel, pid, log, end, kill, w.stopServer, callsOf(w.server.Load))
	return w, nil
}

// stopServer stops the server that uses the process, which asks for that.
func (w *Worker) stopServer() {
	if s := w.server.Load(); s != nil {
		s.stopServer()
	}
}

// WorkerHello is what a process in worker mode says of itself.
type WorkerHello struct {
	Networks []string // transports that it serves; nil: all
	Stateful string   // what it keeps in memory between requests; empty: nothing
	State    bool     // it uses the server's state
	Options  []Option // nil: it does not say
	Forks    bool     // it has a process of its own for each request
	Ping     bool     // it can be asked whether it is alive
	Layers   bool     // see [Worker.HasLayers]; of a Go plugin
}

// Configure tells a process in worker mode what to be, and waits for its hello. Why it does not serve
// is the error: [OptionError]s, joined, as far as it is options.
func (w *Worker) Configure(c WorkerConfiguration, timeout time.Duration) (*WorkerHello, error) {
	as, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	if err := w.process.Configure(as); err != nil {
		return nil, err
	}
	if err := w.Ready(timeout); err != nil {
		return nil, err
	}
	said := w.process.Hello()
	hello := &WorkerHello{Networks: said.Networks, Stateful: said.Stateful, State: said.State, Forks: said.Forks, Ping: said.Ping}
	if said.Options != nil { // where the list is empty it has none
		hello.Options = []Option{}
	}
	for _, o := range said.Options {
		hello.Options = append(hello.Options, Option(o))
	}
	var problems []error
	for _, p := range said.Problems {
		if p.Option == "" {
			problems = append(problems, errors.New(text.Line(p.Problem)))
			continue
		}
		problems = append(problems, &OptionError{Option: text.Line(p.Option), Problem: text.Line(p.Problem)})
	}
	return hello, errors.Join(problems...)
}

// Ping waits until the process answers, which it does if its hello says so, or sends anything else.
// What it has sent since the last Ping is an answer to this one. One call at a time.
func (w *Worker) Ping(ctx context.Context) error { return w.process.Ping(ctx) }

// Ready waits until the process has said what it is.
func (w *Worker) Ready(timeout time.Duration) error { return w.process.Ready(timeout) }

// UsesState reports whether the process, which is Ready, uses the server's state.
func (w *Worker) UsesState() bool { return w.process.Hello().State }

// HasLayers reports whether the process, which is Ready, makes layers and preambles of what those of this program describe.
func (w *Worker) HasLayers() bool { return w.process.Hello().Layers == layerVersion }

// Gone is closed when the process has ended.
func (w *Worker) Gone() <-chan struct{} { return w.process.Gone() }

// Close tells the process that there are no more requests; it ends when it is done.
func (w *Worker) Close() { w.process.Close() }

// Disconnect reads no more of what the process sends, as if it had ended.
func (w *Worker) Disconnect() { w.process.Disconnect() }

// InWorker returns an Executor that hands requests to a process. next returns the process,
// and waits while that is being started again, until ctx is done. Its error is an [UnavailableError] to the
// client. One that has gone, see [Worker.Gone], must not be returned.
//
// A connection stays open here until the process has it: where the process goes before that,
// the next one gets the connection, and a process that dies costs only what it had taken.
func InWorker(next func(ctx context.Context) (*Worker, error)) Executor { return workerExecutor(next) }

type workerExecutor func(ctx context.Context) (*Worker, error)

func (next workerExecutor) Execute(r *Request) error {
	s := r.server
	return s.handOver(r, true, func(t *worker.Task) error {
		return worker.Offer(t, func() (*worker.Process, error) {
			w, err := next(s.context())
			switch {
			case err == nil:
				w.server.Store(s)
				return w.process, nil
			case errors.As(err, new(*UnavailableError)):
				return nil, err
			}
			return nil, &UnavailableError{Err: err}
		})
	})
}
