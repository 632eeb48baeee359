package framework

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/logline"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

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

// pidsOf are the process ids of children, ascending.
func pidsOf(children map[*child]struct{}) []int {
	pids := make([]int, 0, len(children))
	for c := range children {
		pids = append(pids, c.process.Pid)
	}
	slices.Sort(pids)
	return pids
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
		process: p, relay: c.lines.NewRelay(c.log.With("pid", p.Pid)), output: output,
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
