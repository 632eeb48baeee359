package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// An Executor finishes the requests of a class in another way than by a Handler of this
// process. It is used under strategies that do not run requests in workers of their own.
type Executor interface {
	// Execute finishes r and returns its error. It is called in the request's goroutine; the
	// server closes r afterwards.
	Execute(r *Request) error
}

// execute has the class's executor finish r.
func (s *BaseServer) execute(r *Request) {
	s.conclude(r, func() error { return s.Class.Executor.Execute(r) })
}

// A Worker is the server's side of a process that finishes requests; the process's side is
// [ServeChannel].
type Worker struct{ process *worker.Process }

// NewWorker returns the Worker of a process that was started with the other end of a pair of
// SOCK_SEQPACKET sockets as descriptor 3. It owns descriptor. end is called once, when the
// process has closed its end: it must make sure that the process goes, wait for it, and return
// why it went. kill ends the process at once; it may be called at any time.
func NewWorker(descriptor, pid int, log hclog.Logger, end func() error, kill func()) (*Worker, error) {
	channel, err := handoff.FromDescriptor(descriptor)
	if err != nil {
		return nil, err
	}
	return &Worker{worker.NewProcess(channel, pid, log, end, kill)}, nil
}

// Ready waits until the process has said what it is.
func (w *Worker) Ready(timeout time.Duration) error { return w.process.Ready(timeout) }

// Gone is closed when the process has ended.
func (w *Worker) Gone() <-chan struct{} { return w.process.Gone() }

// Close tells the process that there are no more requests; it ends when it is done.
func (w *Worker) Close() { w.process.Close() }

// Disconnect reads no more of what the process sends, as if it had ended.
func (w *Worker) Disconnect() { w.process.Disconnect() }

// InWorker returns an Executor that hands requests to a process. next returns the process,
// and waits while that is being started again, until ctx is done. Where it returns an error the
// client gets the banner of the limits. One that has gone, see [Worker.Gone], must not be returned.
//
// A connection stays open here until the process has it: where the process goes before that,
// the next one gets the connection, and a process that dies costs only what it had taken.
func InWorker(next func(ctx context.Context) (*Worker, error)) Executor {
	return workerExecutor{next}
}

type workerExecutor struct {
	next func(ctx context.Context) (*Worker, error)
}

// notTakenPatience is the time that a process that takes no requests has to end.
const notTakenPatience = time.Second

func (e workerExecutor) Execute(r *Request) error {
	s := r.server
	return s.handOver(r, true, func(t *worker.Task) error {
		for {
			w, err := e.next(s.context())
			if err != nil {
				if !s.isStopped() {
					s.Limits.sendBanner(r)
				}
				return err
			}
			err = w.process.Do(t)
			if !errors.Is(err, worker.ErrNotTaken) || s.isStopped() {
				return err
			}
			select { // until then it would be offered again
			case <-w.Gone():
			case <-s.Done():
				return ErrServerClosed
			case <-time.After(notTakenPatience):
				w.process.Kill() // it lives and takes nothing
			}
		}
	})
}

// A Program is an executable that children run. It is opened once, when its server opens:
// replacing the file does not change what a running server starts.
type Program struct {
	Path string   // empty: this program
	Name string   // shown in place of Path; empty: Path
	Args []string // without the name
	Env  []string // in addition to what children get of the environment

	// Build is what its worker must say of itself, see [Build]; empty: that is not
	// compared. Where they differ this program is used instead, and that is logged.
	Build string
	// Options are the handler's, as JSON; nil: those of the class.
	Options []byte
}

var errNoProgram = errors.New("framework: there is no program to start for children: call framework.ServeWorker(constructor) at the start of main, or set Command")

// programOf chooses what children run and which of its constructors.
func programOf(command *Program, class *HandlerClass) (*Program, int, error) {
	if class.Program != nil {
		return class.Program, 0, nil
	}
	index := slices.IndexFunc(own, func(c Constructor) bool { return c.definition == class.constructor })
	if len(own) == 0 {
		return nil, 0, errNoProgram
	}
	if index < 0 || class.constructor == nil {
		return nil, 0, fmt.Errorf("framework: a child cannot make this handler class: make it with the Class method of a constructor that is given to ServeWorker")
	}
	if command != nil && !class.OwnProgram {
		return command, index, nil
	}
	return &Program{}, index, nil
}

// workerKey is what servers that share workers have in common: what those are configured with.
type workerKey struct {
	class    *HandlerClass
	timeouts Timeouts
	limits   *Limits
	maxLine  int
}

func (s *BaseServer) workerKey() workerKey {
	return workerKey{s.Class, s.Timeouts, s.Limits, s.MaxLine}
}

// workerConfig describes children that run command, see [Forking.Command], each with so many
// processors. Their limits are sent with their configuration.
func workerConfig(command *Program, s *BaseServer, processors int, limits *Limits) (worker.Config, error) {
	if !process.Supported {
		return worker.Config{}, ErrNotSupported
	}
	program, index, err := programOf(command, s.Class)
	if err != nil {
		return worker.Config{}, err
	}
	options := s.Class.options
	if program.Options != nil {
		options = program.Options
	}
	conf := WorkerConfiguration{
		Server: s.Name, Constructor: index, Options: options, Timeouts: s.Timeouts, Limits: limits, MaxLine: s.MaxLine,
		LogLevel: s.log().GetLevel().String(),
	}
	c := worker.Config{
		Log: s.log(), Server: s.Name, Processors: processors, Event: s.traceWorker,
		Path: program.Path, Name: program.Name, Args: program.Args, Env: program.Env, Build: program.Build,
	}
	if c.Configure, err = json.Marshal(conf); err != nil {
		return c, fmt.Errorf("configure children: %w", err)
	}
	if program.Path != "" {
		conf.Build = program.Build
		c.Ask, err = json.Marshal(conf)
	}
	return c, err
}

// ProcessesStarted returns how many processes this program has started to run handlers in since
// it began: children of every strategy, also spares and those that were only asked what
// they are, and plugins. On systems without them it is 0.
func ProcessesStarted() int64 { return process.Started() }
