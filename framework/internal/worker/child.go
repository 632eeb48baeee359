package worker

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

const (
	// startPatience is the time that a process has from its start to its hello.
	startPatience = 5 * time.Second
	// endPatience is the time that processes have to end by themselves.
	endPatience = 5 * time.Second
)

// child is a Process that a group has started.
type child struct {
	*Process
	process *process.Process
	relay   *logline.Relay
	output  *os.File
	known   chan struct{} // closed when the strategy has recorded it
	drained chan struct{} // closed when all that it printed has been logged
	served  int

	idle *time.Timer // ends it when it has been idle for long
}

// start starts a child and sends it what to be. It does not wait for the child: what is sent
// before it runs lies in its channel. gone is called when it has been reaped. begun is that
// of [Task]; nil: the start is not given up.
func (g *group) start(configure []byte, gone func(*child), begun func(kill func())) (*child, error) {
	image, self, err := g.running()
	if err != nil {
		return nil, err
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
	args := []string{cmp.Or(g.Command, "socketserver-worker: "+g.Server)}
	if !self || g.Path == "" {
		args = append(args, g.Args...)
	}
	events, journal, err := g.newJournal()
	if err != nil {
		return nil, errors.Join(err, channel.Close(), output.Close())
	}
	defer journal.Close()
	command := process.Command{
		Image: image, Args: args, Env: g.environment(), Directory: g.Directory, Stdout: printed, Stderr: printed, Three: theirs, Four: journal, Restrictions: g.Restrictions, Sandbox: g.Sandbox,
	}
	if begun != nil {
		command.Begun = func(p *process.Process) { begun(p.Kill) }
	}
	p, err := process.Start(command)
	if err != nil {
		return nil, errors.Join(err, channel.Close(), output.Close(), events.close())
	}
	c := &child{
		process: p, relay: g.lines.NewRelay(g.Log.With("pid", p.Pid)), output: output,
		known: make(chan struct{}), drained: make(chan struct{}),
	}
	go c.logOutput()
	g.Event(p.Pid, false, nil)
	c.Process = newProcess(channel, events, p.Pid, g.Log, func() error {
		defer gone(c)
		err := c.wait()
		g.Event(p.Pid, true, err)
		return err
	}, func() {
		p.Kill()
		_ = channel.CloseRead() // what it left behind may keep the channel open
	}, func() {}, g.Calls)
	_ = c.Configure(configure) // its size has been checked
	return c, nil
}

func (c *child) logOutput() {
	c.relay.Copy(c.output)
	close(c.drained)
}

// stopped reports whether a signal has stopped the process, as SIGSTOP does. It is killed then:
// it would keep what it is handed.
func (c *child) stopped() bool {
	if !c.process.Stopped() {
		return false
	}
	c.log.Error("child killed: a signal had stopped it", "pid", c.pid)
	c.kill()
	return true
}

// finish tells the child that there are no more tasks, and kills it if it does not end within
// grace, which is what it may take for those that it has.
func (c *child) finish(grace time.Duration) {
	c.Close()
	overdue := time.AfterFunc(grace+endPatience, c.kill)
	go func() {
		<-c.Gone()
		overdue.Stop()
	}()
}

// wait waits for the process, whose channel has ended, and returns why it ended.
func (c *child) wait() error {
	overdue := time.AfterFunc(endPatience, c.kill)
	defer overdue.Stop()
	state, err := c.process.Wait()
	why := process.Describe(state, err)
	select { // its output may say more; what it left behind may keep the pipe open
	case <-c.drained:
	case <-time.After(500 * time.Millisecond):
	}
	_ = c.output.Close()
	if tail := c.relay.Tail(process.Crashed(state)); why != nil && len(tail) > 0 {
		return fmt.Errorf("%w (it printed %q)", why, tail[len(tail)-1])
	}
	return why
}
