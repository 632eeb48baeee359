package worker

import (
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

// Variable is set in the environment of a worker to the name of its server.
const Variable = "SOCKETSERVER_WORKER"

// A Config is what the processes of a group have in common.
type Config struct {
	Log        hclog.Logger
	Server     string // its name
	Processors int    // of one process: its GOMAXPROCS

	Path string   // of the program; empty: this one
	Name string   // shown in place of Path; empty: Path
	Args []string // without the name
	// Command is the name that the program is started by; empty: one that names the server.
	Command   string
	Env       []string // added to what children get of this process's environment
	Directory string   // that it runs in; empty: that of this process

	Restrictions process.Restrictions // of each process
	Sandbox      *process.Sandbox     // likewise; nil: it may use all

	Event func(pid int, ended bool, err error) // called when a process has started or ended

	Calls NewCalls // of each process; nil: it cannot ask for a state

	Configure []byte // what a process is sent first
	Journal   bool   // events come by a journal, see Process, which the process has as descriptor 4
	// Ask is sent first to one process, which then says of which build it is; nil: none is
	// asked. A program of another build than Build, or that has been overwritten, is replaced
	// by this program if Build is set.
	Ask   []byte
	Build string
	// Question is equal for groups that get the same answer from the same program: while one of
	// them is open no other one starts a process for it. Empty: the answer is for this group alone.
	Question string
}

func (c *Config) program() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Path
}

// A group is the processes that one strategy starts.
type group struct {
	Config
	lines logline.Budget // bounds what they log together
	done  chan struct{}  // closed when no process is started any more

	mu    sync.Mutex
	self  bool // children run this program
	image *process.Image
	owned *process.Image // ours to close
	all   map[*child]struct{}

	release func() // of the thread that starts processes
}

func newGroup(c Config) (*group, error) {
	g := &group{Config: c, done: make(chan struct{}), all: map[*child]struct{}{}}
	for _, conf := range [][]byte{c.Configure, c.Ask} {
		if most := handoff.MaxFrame - 64; len(conf) > most {
			return nil, fmt.Errorf("framework: the handler's options take %d bytes; a child can be given %d", len(conf), most)
		}
	}
	if err := g.use(c.Path); err != nil {
		return nil, err
	}
	var err error
	if g.release, err = process.KeepSpawner(process.Command{Image: g.image, Restrictions: g.Restrictions, Sandbox: g.Sandbox}); err != nil {
		g.release = func() {}
		return nil, errors.Join(err, g.unpin())
	}
	if c.Ask != nil {
		if err := g.ask(); err != nil {
			return nil, errors.Join(err, g.unpin())
		}
	}
	return g, nil
}

// ask learns whether the program is a worker, and of the right build.
func (g *group) ask() error {
	image := g.image
	hello := sync.OnceValues(g.hello)
	if g.Question != "" {
		answer, _ := image.Said.LoadOrStore(g.Question, hello)
		hello = answer.(func() (string, error))
	}
	build, err := hello()
	if err != nil {
		image.Said.Delete(g.Question)
		return err
	}
	if g.Build != "" && build != g.Build {
		return g.fallBack("the worker program is of another build")
	}
	return nil
}

// hello starts a process and returns of which build it says it is.
func (g *group) hello() (build string, err error) {
	reaped := make(chan struct{})
	child, err := g.start(g.Ask, func(*child) { close(reaped) }, nil)
	if err != nil {
		return "", err
	}
	close(child.known)
	if err = child.Ready(startPatience); err == nil {
		build, err = child.hello.Build, child.hello.problem()
	} else {
		child.kill()
		if errors.Is(err, ErrGone) {
			err = g.Restrictions.WithMemory(err)
		}
		if g.Path == "" {
			err = fmt.Errorf("a worker does not start: %w", err)
		} else {
			err = fmt.Errorf("%s does not serve as a worker; it has to call framework.ServeWorker first: %w", g.program(), err)
		}
	}
	child.finish(0)
	<-reaped
	return build, err
}

// use makes children run the program at path from now on; empty: this one.
func (g *group) use(path string) (err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var image *process.Image
	if path == "" {
		image, err = process.Self()
	} else if image, err = process.PinCopy(path); err == nil {
		g.owned = image
	}
	if err != nil {
		return fmt.Errorf("open the program of the children: %w", err)
	}
	g.self, g.image = path == "", image
	return nil
}

// unpin releases the program: no process is started any more.
func (g *group) unpin() error {
	g.release()
	if g.owned == nil {
		return nil
	}
	return g.owned.Close()
}

// pids returns the process ids of the children, ascending.
func (g *group) pids() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	pids := make([]int, 0, len(g.all))
	for c := range g.all {
		pids = append(pids, c.pid)
	}
	slices.Sort(pids)
	return pids
}

// kill ends children at once.
func (g *group) kill(children map[*child]struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range children {
		c.kill()
	}
}

// running returns the image that children run, after a look at whether it has changed.
func (g *group) running() (image *process.Image, self bool, err error) {
	g.mu.Lock()
	image, self = g.image, g.self
	g.mu.Unlock()
	if !image.Changed() {
		return image, self, nil
	}
	if g.Build == "" { // this program does not have its handlers
		return nil, false, fmt.Errorf("%s has been overwritten since its server opened; restart the server to use what is there now", g.program())
	}
	if err := g.fallBack("the worker program has been overwritten"); err != nil {
		return nil, false, err
	}
	return g.running()
}

// fallBack makes children run this program.
func (g *group) fallBack(why string) error {
	g.mu.Lock()
	self := g.self
	g.mu.Unlock()
	if self { // another goroutine has done so
		return nil
	}
	g.Log.Warn(why+"; this program is used in its place", "worker", g.program(), "next", "install both from one build")
	return g.use("")
}

// environment has each name once, as programs differ in which one of several counts.
func (g *group) environment() []string {
	env := append(process.Environment(), "GOMAXPROCS="+strconv.Itoa(g.Processors))
	return process.Unique(append(append(env, g.Env...), Variable+"="+g.Server))
}
