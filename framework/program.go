package framework

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
	"github.com/go-socketserver/socketserver/internal"
)

// A Program is an executable that children run. It is opened once, when its server opens:
// replacing the file does not change what a running server starts.
type Program struct {
	Path string   // empty: this program
	Name string   // shown in place of Path; empty: Path
	Args []string // without the name
	// Command is the name that the program is started by, if what it does depends on that; empty: one
	// that names the server.
	Command string
	Env     []string // in addition to what children get of the environment
	// Directory is where it runs; empty: where this program does.
	Directory string
	// Restrictions bound each child, and so does Sandbox unless it is nil.
	Restrictions Restrictions
	Sandbox      *Sandbox
	// Build is what its worker must say of itself, see [Build]; empty: that is not compared. Where
	// they differ this program is used instead, and that is logged.
	Build string
	// Layers means that it sets [RestoreLayer].
	Layers bool
	// Preambles means that it sets [RestorePreamble].
	Preambles bool
	// Options are the handler's, as JSON; nil: those of the class.
	Options []byte
}

// Restrictions bound a process and what it starts. What is 0 is not bounded. A process with a limit or another user
// begins as the program of this process, which sets both before main, and before the process runs what it is for:
// packages of this program that are initialized before package framework, as those with lesser import paths may be, are
// initialized there, too, with few variables and with no standard input and output. A start takes some 3 ms of processor
// time for that.
type Restrictions struct {
	Memory    int64         // bytes of address space
	CPU       time.Duration // of processors, in seconds; it is killed then
	Files     int           // open descriptors
	Processes int           // of its user, threads included; root is not bounded
	FileSize  int64         // bytes of each file that it writes; it is killed beyond that
	Nice      int           // from -20 to 19; less than this process's needs root
	Umask     int           // of what it creates; 0: 077, -1: none
	// AsUser means that it runs as UID and GID, without other groups, in place of this process's. It
	// needs root.
	AsUser   bool
	UID, GID uint32
}

// A Sandbox is what a process and what it starts may use of the system. Landlock of Linux enforces it:
// as much of it as the system has, unless it is Required. Its program, the null device and sources of
// random numbers, and the descriptors that it is given are always open to it.
type Sandbox struct {
	Read     []string // files, and directories with what is in them, that it may read and execute
	Write    []string // likewise, and change
	Network  bool     // it may bind and connect TCP sockets
	Required bool     // nothing is started unless all of this is enforced
}

// Check returns an error for a Sandbox that is required and cannot be enforced, and logs what can be
// otherwise. A Sandbox that is nil allows everything.
func (s *Sandbox) Check(log hclog.Logger) error {
	if s == nil {
		return nil
	}
	version, gaps := (*process.Sandbox)(s).Enforceable()
	switch {
	case len(gaps) == 0:
		log.Info("processes are in a sandbox", "landlock", version)
	case s.Required:
		return fmt.Errorf("the sandbox is required, and cannot be enforced here: %s", strings.Join(gaps, "; "))
	default:
		log.Warn("the sandbox of processes is not complete", "landlock", version, "missing", gaps)
	}
	return nil
}

// programOf chooses what children run and which of its constructors.
func programOf(command *Program, class *HandlerClass) (*Program, int, error) {
	if class.Program != nil {
		return class.Program, 0, nil
	}
	if class.Executor != nil {
		return nil, 0, errors.New("framework: there is no program that workers could run the requests of this handler class in; choose a strategy without workers, or Forking where it isolates requests")
	}
	index := slices.IndexFunc(own, func(c Constructor) bool { return c.definition == class.constructor })
	if len(own) == 0 {
		return nil, 0, errors.New("framework: there is no program to start for children: call framework.ServeWorker(constructor) at the start of main, or set Command")
	}
	if index < 0 || class.constructor == nil {
		return nil, 0, errors.New("framework: a child cannot make this handler class: make it with the Class method of a constructor that is given to ServeWorker")
	}
	if command != nil && !class.OwnProgram {
		return command, index, nil
	}
	own := &Program{}
	if command != nil {
		own.Env, own.Directory, own.Restrictions, own.Sandbox = command.Env, command.Directory, command.Restrictions, command.Sandbox.reading(class.Reads)
	}
	return own, index, nil
}

// reading returns a Sandbox that lets a process read more; nil for nil.
func (s *Sandbox) reading(paths []string) *Sandbox {
	if s == nil || len(paths) == 0 {
		return s
	}
	more := *s
	more.Read = slices.Concat(s.Read, paths)
	return &more
}

// workerKey is what servers that share workers have in common: what those are configured with.
type workerKey struct {
	class    *HandlerClass
	timeouts Timeouts
	limits   *Limits
	maxLine  int
	state    State
}

// workerConfig describes children of a strategy, given by its word in a configuration, that run
// command and use so many processors each. With journal they report the requests of sockets.
func workerConfig(strategy string, command *Program, s *BaseServer, processors int, limits *Limits, journal bool) (worker.Config, error) {
	if !process.Supported {
		return worker.Config{}, ErrNotSupported
	}
	program, index, err := programOf(command, s.Class)
	if err != nil {
		return worker.Config{}, err
	}
	if s.Class.Program == nil { // else a plugin host has checked its own
		if err := program.Sandbox.Check(s.log()); err != nil {
			return worker.Config{}, err
		}
	}
	options := s.Class.options
	if program.Options != nil {
		options = program.Options
	}
	conf := WorkerConfiguration{
		Server: s.Name, Constructor: index, Concurrency: strategy, Options: options, Timeouts: s.Timeouts, Limits: limits, MaxLine: s.MaxLine,
		LogLevel: s.log().GetLevel().String(),
	}
	if journal {
		conf.Journal = worker.JournalDescriptor
	}
	c := worker.Config{
		Log: s.log(), Server: s.Name, Processors: processors, Event: s.traceWorker,
		Path: program.Path, Name: program.Name, Args: program.Args, Command: program.Command, Env: program.Env, Directory: program.Directory, Build: program.Build,
		Restrictions: process.Restrictions(program.Restrictions), Sandbox: (*process.Sandbox)(program.Sandbox),
		Journal: journal,
		Calls:   callsOf(func() *BaseServer { return s }),
	}
	if c.Configure, err = json.Marshal(conf); err != nil {
		return c, fmt.Errorf("configure children: %w", err)
	}
	own, checked := program.Path == "", s.Class.Check != nil && s.Class.Program == nil
	if own && !checked && program.Sandbox == nil && program.Restrictions == (Restrictions{}) && program.Directory == "" {
		return c, nil // there is nothing that a start could meet
	}
	conf.Build, conf.Check = program.Build, checked
	if !own && !checked { // else the answer depends on more than the program
		c.Question = fmt.Sprint(index, program.Build, program.Args)
	}
	c.Ask, err = json.Marshal(conf)
	return c, err
}

// ProcessesStarted returns the number of processes that this program has started to run handlers in:
// plugins and the children of every strategy, with spares and those only asked what they are.
func ProcessesStarted() int64 { return process.Started() }

// Build returns the name of the source that this program was built from; empty: unknown. A worker
// of another Build than its server is not used: it would run other handlers than the server knows.
// A program whose workers are another program sets it in both before ServeWorker. It is a
// function, as most workers are not asked.
var Build = func() string { return "" }

// sourceFiles are those of this package and of the packages below it that a worker links. No
// pattern matches a test, which every worker would carry along.
//
//go:embed *[^t].go *[^s]t.go *[^t]est.go
//go:embed hub/*[^t].go layer/*[^t].go proxyproto/*[^t].go internal/*/*[^t].go internal/*/*[^s]t.go
var sourceFiles embed.FS

// Fingerprint names the source of the framework together with that of others, for [Build]. Two
// programs built from one tree have the same. It finds builds that differ by mistake, not by malice.
func Fingerprint(others ...embed.FS) string {
	return internal.Sum(append(others, sourceFiles, internal.Source)...)
}

// AdoptOrphans is for a program that is nothing but a server, and for process 1 of a container.
// What a handler has left behind, in any process, becomes a child of this one and is reaped when
// it ends. The statuses of own children stay with those that wait for them. The caller calls end
// last; see [EndOrphans].
func AdoptOrphans() (end func()) {
	process.AdoptOrphans()
	return process.EndOrphans
}

// LeaveOrphans ends the adopting: what is orphaned from now on becomes a child of another process. It
// is for a program that hands over to one that it has started, which is an orphan itself when a
// process between them ends first.
func LeaveOrphans() { process.LeaveOrphans() }

// EndOrphans kills the processes that were adopted and what they have started.
func EndOrphans() { process.EndOrphans() }
