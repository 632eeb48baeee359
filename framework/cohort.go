package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

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
	lines      logline.Budget // what they log together
	log        hclog.Logger
	server     string
	conf       []byte        // what they are told first
	done       chan struct{} // closed when the last server has closed
	processors int           // how many processors one of them uses

	mu      sync.Mutex
	program *Program
	image   *process.Image
	owned   []*process.Image // ours to close
}

// newCohort prepares children that run command, see [Forking.Command], each with so many
// processors. What limits them is told with their configuration.
func newCohort(command *Program, s *BaseServer, processors int, limits *Limits) (*cohort, error) {
	if !processesSupported {
		return nil, ErrNotSupported
	}
	program, index, err := programOf(command, s.Class)
	if err != nil {
		return nil, err
	}
	options := s.Class.options
	if program.Options != nil {
		options = program.Options
	}
	c := &cohort{log: s.log(), server: s.Name, done: make(chan struct{}), processors: processors}
	conf := WorkerConfiguration{
		Server: s.Name, Constructor: index, Options: options, Timeouts: s.Timeouts, Limits: limits,
		LogLevel: s.log().GetLevel().String(),
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

func (c *cohort) environment(program *Program) []string {
	env := append(process.Environment(), workerVariable+"="+c.server, "GOMAXPROCS="+strconv.Itoa(c.processors))
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

var errNoProgram = errors.New("framework: there is no program to start for children: call framework.ServeWorker(constructor) at the start of main, or set Command")

// programOf chooses what children run and which of its constructors.
func programOf(command *Program, class *HandlerClass) (*Program, int, error) {
	if class.Remote != nil {
		return class.Remote.Program(), 0, nil
	}
	index := slices.IndexFunc(own, func(c Constructor) bool { return c.definition == class.constructor })
	if len(own) == 0 {
		return nil, 0, errNoProgram
	}
	if index < 0 || class.constructor == nil {
		return nil, 0, fmt.Errorf("framework: a child can not make this handler class: make it with the Class method of a constructor that is given to ServeWorker")
	}
	if command != nil && !class.OwnProgram {
		return command, index, nil
	}
	return &Program{}, index, nil
}
