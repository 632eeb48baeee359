package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/stdio"
)

// program is an executor that starts a program for each request, as inetd does. Descriptors 0 and 1
// of a connection's program are the connection, which blocks; a datagram's program reads it from 0,
// and what it prints is the answer. Descriptor 2 is the log. The program leads a process group, which
// ends with it, and dies with this process.
//
// Exit status 0 is fine, and so is every status when the client has left; else the error has the
// last line of descriptor 2. Timeouts.Idle counts the bytes of the connection, whether or not the
// program reads; Read and Write bound its calls, as long as it leaves the connection blocking. When
// the server stops the program reads the end of its input; SIGTERM follows after half of
// Timeouts.Drain, at most two seconds.
type program struct {
	name    string
	command process.Command // what is started for each request; Env lacks what is the request's
	release func()          // of what starts programs
	lines   logline.Budget
	closed  sync.Once
}

// openStdio makes the class of a program that serves a request on its standard input and output.
// Nothing is started until a client comes.
func openStdio(_ context.Context, s Settings) (*framework.HandlerClass, error) {
	p, err := newProgram(&s)
	if err != nil {
		return nil, fmt.Errorf("plugin %q: %w", s.Name, err)
	}
	return &framework.HandlerClass{Executor: p, Isolates: true, Close: p.close}, nil
}

func describeStdio(_ context.Context, s Settings) (*Description, error) {
	return &Description{Options: s.Declared, Networks: (&framework.HandlerClass{}).Serves()}, nil
}

// newProgram opens the executable; a script is opened at each start.
func newProgram(s *Settings) (*program, error) {
	env, err := s.optionEnvironment()
	if err != nil {
		return nil, err
	}
	if s.Why == opensOwnPort {
		cmp.Or(s.Log, hclog.Default()).Warn("the script seems to open a port of its own, where the clients of this server are not: it is started for each of them, and they are its standard input and output",
			"plugin", s.Name, "next", "serve with socketserver, or by async def handle(reader, writer)")
	}
	directory := cmp.Or(s.WorkingDirectory, filepath.Dir(s.Path))
	if _, err := os.Stat(directory); err != nil {
		return nil, fmt.Errorf("open directory to run in: %w", err)
	}
	path, err := filepath.Abs(s.File()) // as the program is started in another directory
	if err != nil {
		return nil, err
	}
	p := &program{name: s.Name, command: process.Command{
		Args: append([]string{cmp.Or(s.Command, s.Name)}, s.Args...), Directory: directory,
		Env:          slices.Concat(process.Environment(), s.Environment, env),
		Restrictions: process.Restrictions(s.Limits), Sandbox: (*process.Sandbox)(s.Sandbox),
	}}
	if p.command.Image, err = process.Pin(path); err != nil {
		return nil, err
	}
	if err := p.command.Reach(s.executed(path)); err != nil {
		return nil, errors.Join(err, p.command.Image.Close())
	}
	if p.release, err = process.KeepSpawner(p.command); err != nil {
		return nil, errors.Join(err, p.command.Image.Close())
	}
	return p, nil
}

func (p *program) close() (err error) {
	p.closed.Do(func() {
		p.release()
		p.lines.Flush()
		err = p.command.Image.Close()
	})
	return err
}

// Execute implements [framework.Executor].
func (p *program) Execute(r *framework.Request) error {
	timeouts := r.Timeouts()
	run := &stdio.Run{
		Command: p.command, Timeouts: (*conn.Timeouts)(&timeouts), Stop: r.Context(),
		Log: p.lines.NewRelay(r.Log().With("plugin", p.name)), Killable: r.Started,
	}
	run.Command.Env = process.Unique(slices.Concat(p.command.Env, r.Environment()))
	if r.IsDatagram() {
		answer, err := run.Datagram(r.Payload())
		if err != nil || len(answer) == 0 {
			return err
		}
		return r.Answer(answer)
	}
	serve := func() error { return run.Relay(r.Conn()) }
	if socket := r.Socket(); socket != nil {
		serve = func() error { return run.Serve(socket) }
	}
	err := serve()
	r.Moved(run.In, run.Out)
	return err
}
