package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// A Program is an executable that children run. It is opened once, when its server
// opens: replacing the file does not change what a running server starts.
type Program struct {
	Path string   // empty: this program
	Args []string // without the name
	Env  []string // in addition to what children get of the environment

	// Build is what its worker must say of itself, see [Build]; empty: that is not
	// compared. Where they differ this program is used instead, and that is logged.
	Build string
	// Image is used instead of Path where it is set. It stays its owner's to close.
	Image *process.Image
	// Options are the handler's, as JSON; nil: those of the class.
	Options []byte
}

// cohort is what the children of a strategy have in common.
type cohort struct {
	lines  logline.Budget // what they log together
	log    hclog.Logger
	server string
	conf   []byte        // what they are told first
	done   chan struct{} // closed when the last server has closed

	mu      sync.Mutex
	program *Program
	image   *process.Image
	owned   []*process.Image // ours to close
}

// maxHandedOver is the largest datagram that fits into a frame with its addresses, in bytes.
const maxHandedOver = handoff.MaxFrame - 1024

func newCohort(f *Forking, s *BaseServer) (*cohort, error) {
	if !processesSupported {
		return nil, ErrNotSupported
	}
	if t, ok := s.Transport.(*packetTransport); ok && *t.max > maxHandedOver {
		return nil, fmt.Errorf("framework: MaxPacketSize is %d; a child can be handed %d bytes", *t.max, maxHandedOver)
	}
	program, index, err := f.program(s.Class)
	if err != nil {
		return nil, err
	}
	options := s.Class.options
	if program.Options != nil {
		options = program.Options
	}
	c := &cohort{log: s.log(), server: s.Name, done: make(chan struct{})}
	conf := WorkerConfiguration{
		Server: s.Name, Constructor: index, Options: options, Timeouts: s.Timeouts, LogLevel: s.log().GetLevel().String(),
	}
	if err := c.use(program); err != nil {
		return nil, err
	}
	if program.Path != "" {
		asking := conf
		asking.Build = program.Build
		if err := errors.Join(c.configure(asking), c.probe()); err != nil {
			return nil, errors.Join(err, c.unpin())
		}
	}
	if err := c.configure(conf); err != nil {
		return nil, errors.Join(err, c.unpin())
	}
	return c, nil
}

// configure says what children are told first.
func (c *cohort) configure(conf WorkerConfiguration) (err error) {
	if c.conf, err = json.Marshal(conf); err != nil {
		return fmt.Errorf("configure children: %w", err)
	}
	if most := handoff.MaxFrame - 64; len(c.conf) > most {
		return fmt.Errorf("framework: the handler's options take %d bytes; a child can be given %d", len(c.conf), most)
	}
	return nil
}

// probe starts a child to learn whether the program is a worker, and of which build.
func (c *cohort) probe() error {
	program, reaped := c.program, make(chan struct{})
	child, err := c.start(func(*child) { close(reaped) })
	if err != nil {
		return err
	}
	close(child.known)
	err = child.worker.Ready(patience)
	if err != nil {
		child.process.Kill()
		err = fmt.Errorf("%s does not serve as a worker; it has to call framework.ServeWorker first: %w", program.Path, err)
	} else if program.Build != "" && child.worker.hello.Build != program.Build {
		err = c.instead("the worker program is of another build")
	}
	child.worker.Close()
	<-reaped
	return err
}

// use makes children run program from now on.
func (c *cohort) use(program *Program) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	image := program.Image
	switch {
	case image != nil:
	case program.Path == "":
		image, err = process.Self()
	default:
		if image, err = process.PinCopy(program.Path); err == nil {
			c.owned = append(c.owned, image)
		}
	}
	if err != nil {
		return fmt.Errorf("open the program of the children: %w", err)
	}
	c.program, c.image = program, image
	return nil
}

// unpin gives the programs back: no child is started any more.
func (c *cohort) unpin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, image := range c.owned {
		errs = append(errs, image.Close())
	}
	return errors.Join(errs...)
}

// child is one process and the channel to it.
type child struct {
	process *process.Process
	worker  *Worker
	relay   *logline.Relay
	output  *os.File
	known   chan struct{} // closed when its strategy has taken note of it
	drained chan struct{} // closed when all that it printed has been logged
	served  int

	timer *time.Timer // while it is idle
}

func (c *child) wait(d time.Duration, then func()) { c.timer = time.AfterFunc(d, then) }
func (c *child) stopWaiting()                      { c.timer.Stop() }

// start starts a child and configures it. It does not wait for the child: what is sent
// to it before it runs lies in its channel. gone is called when it has been reaped.
func (c *cohort) start(gone func(*child)) (*child, error) {
	c.mu.Lock()
	program, image := c.program, c.image
	c.mu.Unlock()
	if image.Changed() {
		if program.Image != nil { // this program does not have its handlers
			return nil, fmt.Errorf("%s has been overwritten since its server opened; restart the server to use what is there now", program.Path)
		}
		if err := c.instead("the worker program has been overwritten"); err != nil {
			return nil, err
		}
		return c.start(gone)
	}
	channel, theirs, err := handoff.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	output, printed, err := os.Pipe()
	if err != nil {
		_ = channel.Close()
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer printed.Close()
	p, err := process.Start(process.Command{
		Image: image, Args: append([]string{"socketserver-worker: " + c.server}, program.Args...),
		Env: c.environment(program), Stdout: printed, Stderr: printed, Three: theirs,
	})
	if err != nil {
		return nil, errors.Join(err, channel.Close(), output.Close())
	}
	child := &child{
		process: p, relay: c.lines.NewRelay(c.log), output: output,
		known: make(chan struct{}), drained: make(chan struct{}),
	}
	go child.logOutput()
	child.worker = NewWorker(channel, func() error {
		defer gone(child)
		return child.end()
	}, p.Kill)
	// Where the child has died already this fails; that is told with its first request.
	_ = channel.Send(&handoff.Frame{Kind: handoff.Configure, Body: c.conf}, nil)
	return child, nil
}

// environment of a child. It serves one request at a time, and its start costs a sixth less
// where its runtime does not prepare for several processors.
func (c *cohort) environment(program *Program) []string {
	env := append(process.Environment(), workerVariable+"="+c.server, "GOMAXPROCS=1")
	return append(env, program.Env...)
}

// instead makes children run this program.
func (c *cohort) instead(why string) error {
	c.mu.Lock()
	path := c.program.Path
	c.mu.Unlock()
	if path == "" { // another goroutine has done so
		return nil
	}
	c.log.Warn(why+"; this program is used in its place", "worker", path, "next", "install both from one build")
	return c.use(&Program{})
}

func (c *child) logOutput() {
	c.relay.Copy(c.output)
	close(c.drained)
}

// end waits for the process, whose channel has ended, and says why it ended.
func (c *child) end() error {
	overdue := time.AfterFunc(patience, c.process.Kill)
	defer overdue.Stop()
	why := process.Describe(c.process.Wait())
	select { // what it printed may say more; what it left behind may keep the pipe open
	case <-c.drained:
	case <-time.After(500 * time.Millisecond):
	}
	_ = c.output.Close()
	if tail := c.relay.Tail(); why != nil && len(tail) > 0 {
		return fmt.Errorf("%w (it printed %q)", why, tail[len(tail)-1])
	}
	return why
}
