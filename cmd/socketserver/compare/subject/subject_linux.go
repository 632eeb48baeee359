// Package subject runs servers under test, each in a process of its own, so that its cost can be
// measured and it may crash.
//
// The process is this command, started again: it needs no toolchain and no other program.
// [Become] is the child's side, [Start] and [Subject] are the parent's. A compiled-in handler
// runs as a plugin with this command as the plugin. Servers of CPython run peer.py, which is
// embedded, and with script.py the handlers of a Python file.
//
// The parent is a child subreaper: [Subject.Stop] finds, counts and ends the processes that a
// server leaves behind. If the parent is killed the server reads the end of its standard input,
// stops, and removes its directory.
package subject

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // for the peer
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// Event loops in Python, each a kind of concurrency of a server of theirs.
const (
	Asyncio = "asyncio"
	Twisted = "twisted"
)

// A Spec is one server under test. It crosses to the process as JSON, the first
// line that it reads.
type Spec struct {
	// Name is unique, as in result.Subject.
	Name string
	// Form is compiled, plugin or python, see result.Subject. A compiled-in handler can run as a
	// plugin, too.
	Form string
	// Server is a parsed server block. It listens on its first transport, at an address of the
	// subject's own: a free port of 127.0.0.1, or a socket in a private directory. Its Class is
	// not used.
	Server config.Server
	// Plugin is how the plugin runs that Server names.
	Plugin plugin.Definition
	// Clock is when the clock of the frames begins, that [Subject.Frames] has, in nanoseconds of Unix
	// time; 0: it has none.
	Clock int64
	// Interpreter runs the servers of CPython; empty: python3.
	Interpreter string
	// Directory is for sockets and temporary files, TMPDIR of the process. [Start] makes it.
	Directory string
}

// A report is a line of JSON among what the process prints: the address when it listens, or why it
// cannot; the number of started processes when it ends.
type report struct {
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	Problem string `json:"problem,omitempty"`
	Started *int64 `json:"started,omitempty"` // processes
}

// A Subject is a running server under test.
type Subject struct {
	Network, Address string // that it listens at
	*journal

	process   *os.Process
	tree      tree
	directory string

	reports chan report
	output  *os.File       // what the server prints, read here
	reading sync.WaitGroup // the reader of output
	ended   chan struct{}  // closed when the process has been reaped
	state   *os.ProcessState

	patience time.Duration // from SIGTERM until it is killed
	cut      func() bool   // detaches it from ctx, whose end kills it
	ctx      context.Context

	stop sync.Once
	exit Exit
}

// socketName is the name of the socket in a subject's directory.
const socketName = "s"

const (
	listenWithin = 15 * time.Second
	// serverGrace is the time beyond its drain timeout that a server may take to end, and
	// processGrace that of other processes after it.
	serverGrace  = 3 * time.Second
	processGrace = time.Second
)

// Start starts a server and waits until it listens. An error ends with the last lines of its log.
// The server is killed when ctx is done, also later. After success the caller must call Stop.
func Start(ctx context.Context, spec Spec) (*Subject, error) {
	adopt()
	s := &Subject{
		journal: newJournal(), reports: make(chan report, 2), ended: make(chan struct{}), ctx: ctx,
		patience: spec.Server.Timeouts.Drain + serverGrace, exit: Exit{Started: -1},
	}
	if err := s.launch(&spec); err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	s.cut = context.AfterFunc(ctx, s.Kill)
	if err := s.awaitListening(listenWithin); err != nil {
		s.patience = 0
		s.Stop()
		if said := s.tail(); said != "" && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	return s, nil
}

// launch starts the process in a directory of its own.
func (s *Subject) launch(spec *Spec) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	command, err := spec.command(s.ctx)
	if err != nil {
		return err
	}
	if spec.Directory, err = makeDirectory(); err != nil {
		return err
	}
	if err := s.start(command, spec); err != nil {
		removeDirectory(spec.Directory)
		return err
	}
	s.directory = spec.Directory
	s.tree.session, s.tree.directories = s.process.Pid, []string{s.directory}
	return nil
}

// command returns the command that runs the server. A new kind of subject has its case here, and a
// Form in package result.
func (s *Spec) command(ctx context.Context) (*exec.Cmd, error) {
	if s.Form != result.Python {
		return &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], subjectWord}}, nil
	}
	interpreter := cmp.Or(s.Interpreter, "python3")
	if s.Plugin.Kind == plugin.Python {
		var err error
		if interpreter, err = plugin.Interpreter(ctx, s.Plugin.Path); err != nil {
			return nil, err
		}
	}
	command := exec.Command(interpreter, "-I", "-u", "-W", "ignore", "-c", experimentScript+script+loop+peer)
	if errors.Is(command.Err, exec.ErrNotFound) {
		return nil, errors.New("there is no python3; install it, or leave the peers out")
	}
	command.Env = s.Plugin.Environment
	return command, nil
}

// start starts the process, sends what to serve and reads the output.
func (s *Subject) start(command *exec.Cmd, spec *Spec) error {
	// One pipe for both: what was logged before a report is read before it.
	r, output, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer output.Close()
	s.output = r
	s.reading.Go(func() {
		s.copy(r, s.takeReport)
		_ = r.Close()
	})
	stdin, err := command.StdinPipe() // its end tells the server that this process has ended
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	command.Stdout, command.Stderr = output, output
	command.Env = append(environment(spec.Directory), command.Env...)
	// A session of its own: signals of the terminal do not reach it, and its id marks the tree.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := firsts.start(command); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	s.process = command.Process
	go func() {
		firsts.wait(command)
		s.state = command.ProcessState
		close(s.ended)
	}()
	go func() {
		s.reading.Wait()
		s.end()
	}()
	// This fails if the process has died, which awaitListening reports.
	_ = json.NewEncoder(stdin).Encode(spec)
	return nil
}

// The parts of a program that serves with CPython's socketserver, in their order. It has counterparts of
// some handlers, and runs scripts.
var (
	//go:embed experiment.py
	experimentScript string // also a script of its own
	//go:embed script.py
	script string
	//go:embed loop.py
	loop string
	//go:embed peer.py
	peer string
)

// PythonVersion returns the version of the python3 that runs the peer, as in 3.11.7; empty: there is
// none.
func PythonVersion() string {
	output, _ := exec.Command("python3", "-I", "-V").Output()
	return strings.TrimSpace(strings.TrimPrefix(string(output), "Python "))
}

// environment returns this process's environment, with a TMPDIR of the subject's own.
func environment(directory string) []string {
	var env []string
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "TMPDIR", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY":
		default:
			env = append(env, v)
		}
	}
	return append(env, "TMPDIR="+directory)
}

// takeReport takes a line of output if it is a report. There are at most two, so that what a handler
// prints is not taken for one; a line of the log has fields that a report has not.
func (s *Subject) takeReport(line []byte) bool {
	var r report
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&r) != nil || r == (report{}) {
		return false
	}
	select {
	case s.reports <- r:
		return true
	default:
		return false
	}
}

func (s *Subject) awaitListening(bound time.Duration) error {
	select {
	case r := <-s.reports:
		s.Network, s.Address = r.Network, r.Address
		if r.Problem != "" {
			return errors.New(r.Problem)
		}
		return nil
	case <-s.ended:
		return cmp.Or(s.ctx.Err(), fmt.Errorf("the server ended before it listened (%s)", s.state))
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-time.After(bound):
		return fmt.Errorf("the server did not listen within %s", bound)
	}
}

// Kill kills the server and does not wait. Processes that it started run on until Stop.
func (s *Subject) Kill() { _ = s.process.Kill() }

// Stop ends the server by SIGTERM, and kills it if it takes three seconds longer than its drain
// timeout. Other processes have a second to end by themselves. What is left behind is
// counted, killed and removed: nothing of the subject is left when Stop returns. Later calls
// return the same.
func (s *Subject) Stop() Exit {
	s.stop.Do(func() {
		_ = s.process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(s.patience):
			s.exit.Forced = true
			s.Kill()
			<-s.ended
		}
		s.cut()
		s.exit.Status = s.state.String()
		used := s.state.SysUsage().(*syscall.Rusage)
		s.exit.Switches = int64(used.Nvcsw) + int64(used.Nivcsw) //nolint:unconvert // they are shorter on some processors
		s.clear()
	})
	return s.exit
}

// Pid returns the process id of the server, the ancestor of all processes of the subject.
func (s *Subject) Pid() int { return s.process.Pid }

// Done is closed when the server has ended for any reason. Stop still has to be called.
func (s *Subject) Done() <-chan struct{} { return s.ended }

// Ended reports whether Done is closed.
func (s *Subject) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}
