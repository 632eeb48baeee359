package subject

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// A Subject is a running server under test.
type Subject struct {
	network, address string

	process *os.Process
	tree    tree

	directory *directory
	journal   *journal
	reports   chan report
	outputs   []*os.File
	reading   sync.WaitGroup // readers of outputs
	ended     chan struct{}  // closed when the process has been reaped
	state     *os.ProcessState

	patience time.Duration // from SIGTERM until it is killed
	cut      func() bool   // detaches it from ctx, whose end kills it
	cancel   context.Context
	started  int64

	stop sync.Once
	exit Exit
}

// socketName is the name of the socket in a subject's directory.
const socketName = "s"

// processGrace is the time that other processes may take to end after the server.
const processGrace = time.Second

// Start starts a server and waits until it listens. An error ends with the last lines of its log.
// The server is killed when ctx is done, also later. After success the caller must call Stop.
func Start(ctx context.Context, spec Spec, o Options) (*Subject, error) {
	adopt()
	s, err := launch(ctx, &spec, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if err := s.awaitListening(ctx, cmp.Or(o.Listen, 15*time.Second)); err != nil {
		s.patience = 0
		s.Stop()
		if said := s.journal.tail(); said != "" && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	return s, nil
}

// launch starts the process.
func launch(ctx context.Context, spec *Spec, o Options) (s *Subject, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := spec.check(); err != nil {
		return nil, err
	}
	command, err := spec.command(ctx)
	if err != nil {
		return nil, err
	}
	d, err := makeDirectory()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.remove()
		}
	}()
	s = &Subject{
		journal: newJournal(), reports: make(chan report, 2), ended: make(chan struct{}), started: -1, cancel: ctx,
		patience: spec.Server.Timeouts.Drain + cmp.Or(o.Stop, 5*time.Second),
	}
	if err := s.start(command, assignment{*spec, d.path}); err != nil {
		return nil, err
	}
	s.directory, s.tree.session, s.tree.directory = d, s.process.Pid, d.path
	s.cut = context.AfterFunc(ctx, s.Kill)
	return s, nil
}

// command returns the command that runs the server.
func (s *Spec) command(ctx context.Context) (*exec.Cmd, error) {
	if s.Form != result.Python {
		return &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], subjectWord}}, nil
	}
	if err := s.checkPeer(); err != nil {
		return nil, err
	}
	python, err := FindPython(ctx)
	if err != nil {
		return nil, err
	}
	return exec.Command(python.Path, "-I", "-u", "-W", "ignore", "-c", peer), nil
}

// start starts the process, sends the assignment and reads the output.
func (s *Subject) start(command *exec.Cmd, a assignment) error {
	stdout, err := s.output(func(line []byte) bool { return s.takeReport(line) })
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := s.output(func([]byte) bool { return false })
	if err != nil {
		return err
	}
	defer stderr.Close()
	stdin, err := command.StdinPipe() // its end tells the server that this process has ended
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	command.Stdout, command.Stderr = stdout, stderr
	command.Env = environment(a.Directory)
	// A session of its own: signals of the terminal do not reach it, and its id marks the tree.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	s.process = command.Process
	go func() {
		_ = command.Wait() // ProcessState has more
		s.state = command.ProcessState
		close(s.ended)
	}()
	go func() {
		s.reading.Wait()
		s.journal.end()
	}()
	// This fails if the process has died, which awaitListening reports.
	_ = json.NewEncoder(stdin).Encode(a)
	return nil
}

// output returns a pipe whose lines are read until its last writer closes it.
func (s *Subject) output(intercept func([]byte) bool) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	s.outputs = append(s.outputs, r)
	s.reading.Go(func() {
		s.journal.copy(r, intercept)
		_ = r.Close()
	})
	return w, nil
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

// takeReport takes a line of standard output if it is a report. There are at most two, so that
// what a handler prints is not taken for one.
func (s *Subject) takeReport(line []byte) bool {
	var r report
	if json.Unmarshal(line, &r) != nil || (r.Address == "") == (r.Started == nil) {
		return false
	}
	select {
	case s.reports <- r:
		return true
	default:
		return false
	}
}

func (s *Subject) awaitListening(ctx context.Context, bound time.Duration) error {
	late := time.NewTimer(bound)
	defer late.Stop()
	select {
	case r := <-s.reports:
		s.network, s.address = r.Network, r.Address
		return nil
	case <-s.ended:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the server ended before it listened (%s)", s.state)
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("the server did not listen within %s", bound)
	}
}

// Kill kills the server and does not wait. Processes that it started run on until Stop.
func (s *Subject) Kill() { _ = s.process.Kill() }

// Stop ends the server by SIGTERM, and kills it if it takes longer than its drain timeout and
// [Options.Stop]. Other processes have a second to end by themselves. What is left behind is
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
		s.clear()
		s.exit.Status, s.exit.Started = s.state.String(), s.started
		s.exit.Usage = usageOf(s.state)
	})
	return s.exit
}

// clear removes and counts what is left behind. The process has been reaped.
func (s *Subject) clear() {
	grace := processGrace
	if s.cancel.Err() != nil {
		grace = 0
	}
	left := Left{Processes: len(s.tree.await(grace))}
	left.Listening = listening(s.network, s.address)
	s.tree.kill()
	for _, output := range s.outputs { // a process that was not found may hold them
		_ = output.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	}
	s.reading.Wait()
	select {
	case r := <-s.reports:
		if r.Started != nil {
			s.started = *r.Started
		}
	default:
	}
	left.Sockets, left.Files = files(s.tree.directory)
	s.directory.remove()
	s.exit.Left = left
}

// listening reports whether an address is still in use. No other process has it yet: the system
// hands out free ports in turn.
func listening(network, address string) bool {
	switch network {
	case "tcp":
		conn, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	case "udp":
		conn, err := net.ListenPacket(network, address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}
	return false // a socket file is counted as such
}

func usageOf(state *os.ProcessState) Usage {
	u := Usage{Usage: usage.Ended(state)}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.MaxResident = int64(r.Maxrss) << 10 //nolint:unconvert // some processors have it in 32 bits
	}
	return u
}
