// Package upgrade starts the process that takes the place of this one, and is that process's side
// of it, too.
//
//	this process                            the next one
//	Check: does it accept the configuration?
//	Start: it inherits the sockets     ->   Inherit
//	                                        serves them, as this process still does
//	Start returns                      <-   Ready: one byte
//	leaves it the sockets
//	Release: end of file               ->   Ready has the sockets owned
//
// Until Release nothing has changed for this process. A next one that ends, or is not ready in
// time, is no more than an error of Start.
package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/internal/patience"
)

const (
	checkTime = 5 * time.Minute  // for Check, which may build plugins
	startTime = 10 * time.Second // for Start, see package patience
	logTime   = time.Second      // for what a process has started to let go of its log
)

// variable has an inheritance as JSON.
const variable = "SOCKETSERVER_UPGRADE"

// An inheritance is what the next process gets, with the numbers of descriptors.
type inheritance struct {
	Channel int // one end of a stream, as the package describes
	Stderr  int // standard error from Ready on; before, that is a pipe to this process
	Sockets []inheritedSocket

	Suspended []string // servers
}

type inheritedSocket struct {
	supervisor.Passed
	File, Lock int // in place of those of Passed; Lock 0: none
}

// Check runs a program, which has to end with status 0. An error has all that it printed: one of a
// configuration is several lines, of which the last is a caret.
func Check(ctx context.Context, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var printed printed
	c := exec.CommandContext(ctx, path, args...)
	c.Stdout, c.Stderr, c.WaitDelay = &printed, &printed, logTime
	c.SysProcAttr, c.Cancel = ownGroup, func() error { kill(c.Process); return nil }
	if err := c.Run(); err != nil {
		return printed.explain(fmt.Errorf("%s %s: %w", path, strings.Join(args, " "), err), true)
	}
	return nil
}

// A Successor is a process that is ready to take the place of this one.
type Successor struct {
	*os.Process
	channel *os.File
	logged  chan struct{} // closed when it prints to this process no more
}

// Start starts the program at path with the arguments and the environment of this process and the
// sockets, and waits until it is ready. suspended are servers. Until Release log gets what it prints.
func Start(ctx context.Context, path string, sockets []supervisor.Passed, suspended []string, log io.Writer) (*Successor, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	c := command(path, theirs, w, sockets, suspended)
	err = c.Start()
	_ = theirs.Close()
	_ = w.Close()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), r.Close())
	}
	var printed printed
	s := &Successor{c.Process, ours, make(chan struct{})}
	go func() {
		defer close(s.logged)
		printed.copy(log, r)
		_ = r.Close()
	}()
	if err = s.await(ctx); err == nil {
		go func() { _ = c.Wait() }()
		return s, nil
	}
	kill(c.Process)
	_ = c.Wait()
	_ = ours.Close()
	_ = r.SetReadDeadline(time.Now().Add(logTime)) // it may have started something that lives on
	<-s.logged
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("it ended before it was ready: %s", c.ProcessState)
	}
	return nil, printed.explain(fmt.Errorf("%s: %w", path, err), false)
}

// command returns the command of the next process.
func command(path string, channel, stderr *os.File, sockets []supervisor.Passed, suspended []string) *exec.Cmd {
	c := exec.Command(path, os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, stderr
	c.SysProcAttr = ownGroup
	pass := func(f *os.File) (number int) {
		c.ExtraFiles = append(c.ExtraFiles, f)
		return 2 + len(c.ExtraFiles)
	}
	i := inheritance{Channel: pass(channel), Stderr: pass(os.Stderr), Suspended: suspended}
	for _, p := range sockets {
		own := inheritedSocket{Passed: p, File: pass(p.File)}
		if p.Lock != nil {
			own.Lock = pass(p.Lock)
		}
		i.Sockets = append(i.Sockets, own)
	}
	text, _ := json.Marshal(i) // of plain values
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "WATCHDOG_PID=") // this process; the next one is watched as well
	}), variable+"="+string(text))
	return c
}

// await waits until the process is ready; [io.EOF]: it never will be.
func (s *Successor) await(ctx context.Context) error {
	bounded, cancel := patience.WithTimeout(ctx, startTime, func() int { return s.Pid })
	defer cancel()
	defer context.AfterFunc(bounded, func() { _ = s.channel.SetReadDeadline(time.Unix(1, 0)) })()
	_, err := s.channel.Read(make([]byte, 1))
	switch {
	case ctx.Err() != nil:
		return errors.New("it was not awaited, as the servers are being stopped")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it was not ready within %s", startTime)
	}
	return err
}

// Release lets the process take over, and waits until it prints to its own standard error.
func (s *Successor) Release() {
	_ = s.channel.Close()
	select {
	case <-s.logged:
	case <-time.After(startTime):
	}
}
