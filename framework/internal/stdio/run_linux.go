package stdio

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/process"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// settling is the time that a pipe may stay open when its process has been reaped: something
// that has left the process's group may hold it.
const settling = 500 * time.Millisecond

// A running is the process of a Run.
type running struct {
	*Run
	process *process.Process
	printed *os.File      // the end of its descriptor 2
	logged  chan struct{} // closed when all that it printed has been logged
	killed  atomic.Bool   // by Killable's function
	state   *os.ProcessState
}

// Serve runs the program on a connection, which stays open here until the program has ended and blocks from
// then on, see [conn.Shared]. The output is shut down then: the client reads its end, whatever else may hold the socket.
func (r *Run) Serve(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	s := socket{raw}
	before := s.taken()
	s.lend(r.Timeouts)
	file, err := s.file(c)
	if err != nil {
		return err
	}
	p, err := r.start(file, file)
	_ = file.Close()
	if err != nil {
		return err
	}
	g := &guard{running: p, half: s.closeRead, activity: newActivity(&s, p.process.Pid, r.Timeouts.Idle)}
	err = g.watch(p.wait)
	r.In, r.Out = s.bytes()
	if before > 0 {
		r.In -= before
	}
	gone := s.isGone()
	s.closeWrite()
	return p.outcome(err, gone)
}

// Relay is Serve for a connection that has no descriptor, or that bytes pass through a layer of.
func (r *Run) Relay(c net.Conn) error {
	relay, theirs, err := conn.NewRelay(c, r.Timeouts.Write)
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	killable := r.Killable
	r.Killable = func(pid int, kill func()) {
		relay.Start()
		killable(pid, func() { kill(); relay.Abort() })
	}
	err = r.Serve(theirs)
	_ = theirs.Close()
	err = cmp.Or(err, relay.Finish())
	r.In, r.Out = relay.Bytes()
	return err
}

// Datagram runs the program with a datagram as its input, and returns what it printed; nil: nothing.
func (r *Run) Datagram(payload []byte) ([]byte, error) {
	input, feed, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer feed.Close()
	answer, output, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make pipe: %w", err), input.Close())
	}
	defer answer.Close()
	p, err := r.start(input, output)
	_, _ = input.Close(), output.Close()
	if err != nil {
		return nil, err
	}
	go func() { // ends with the program at the latest, as nobody else reads
		_, _ = feed.Write(payload)
		_ = feed.Close()
	}()
	var printed []byte
	read := make(chan struct{})
	go func() {
		defer close(read)
		if printed, _ = io.ReadAll(io.LimitReader(answer, conn.MaxAnswer+1)); len(printed) > conn.MaxAnswer {
			p.process.Kill()
		}
	}()
	g := &guard{running: p, half: nil, activity: newActivity(nil, p.process.Pid, r.Timeouts.Idle)}
	err = g.watch(p.wait)
	_ = feed.SetWriteDeadline(time.Now())
	_ = answer.SetReadDeadline(time.Now().Add(settling))
	<-read
	if len(printed) > conn.MaxAnswer {
		return nil, conn.ErrAnswerTooLong
	}
	return printed, p.outcome(err, false)
}

// start starts the program. The files stay the caller's to close.
func (r *Run) start(stdin, stdout *os.File) (*running, error) {
	output, printed, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer printed.Close()
	c := r.Command
	c.Stdin, c.Stdout, c.Stderr, c.DieWithParent, c.Foreign = stdin, stdout, printed, true, true
	p := &running{Run: r, printed: output, logged: make(chan struct{})}
	c.Begun = func(begun *process.Process) {
		r.Killable(begun.Pid, func() {
			p.killed.Store(true)
			begun.Kill()
		})
	}
	r.Command = process.Command{} // not kept while the program runs
	if p.process, err = process.Start(c); err != nil {
		if err = process.Explain(err); p.killed.Load() {
			err = routine{err, net.ErrClosed}
		}
		return nil, errors.Join(err, output.Close())
	}
	go func() {
		r.Log.Copy(output)
		close(p.logged)
	}()
	return p, nil
}

// wait reaps the process, and kills what is left of its group.
func (p *running) wait() (err error) {
	p.state, err = p.process.Wait()
	return err
}

// outcome returns the error of the request when the process has been reaped. ended is why it was
// ended, or could not be waited for; clientGone reports that no client is left.
func (p *running) outcome(ended error, clientGone bool) error {
	select {
	case <-p.logged:
	case <-time.After(settling):
	}
	_ = p.printed.Close()
	<-p.logged
	if ended != nil || p.state.Success() {
		return ended
	}
	status := p.state.Sys().(syscall.WaitStatus)
	err := fmt.Errorf("exit status %d", status.ExitStatus())
	if status.Signaled() {
		err = fmt.Errorf("killed by signal %s", status.Signal())
	}
	if tail := p.Log.Tail(process.Crashed(p.state)); len(tail) > 0 {
		err = fmt.Errorf("%w: %s", err, tail[len(tail)-1])
	}
	switch {
	case p.killed.Load():
		return routine{err, net.ErrClosed}
	case clientGone || status.Signaled() && status.Signal() == syscall.SIGPIPE:
		return routine{err, conn.ErrPeerGone}
	case p.Stop.Err() != nil:
		return routine{err, worker.ErrServerClosed}
	}
	return err
}

// A routine error is one of an ordinary end, of that kind.
type routine struct {
	error
	kind error
}

func (r routine) Unwrap() error { return r.kind }

// A socket is the connection of a program that runs.
type socket struct{ raw syscall.RawConn }

// lend makes the connection one that programs expect: it blocks, and the system applies timeouts
// to their reads and writes. It stays so: this process uses it by [conn.Shared].
func (s socket) lend(t *conn.Timeouts) {
	_ = s.raw.Control(func(fd uintptr) {
		_ = syscall.SetNonblock(int(fd), false)
		for option, timeout := range map[int]time.Duration{syscall.SO_RCVTIMEO: t.Read, syscall.SO_SNDTIMEO: t.Write} {
			if timeout > 0 {
				tv := syscall.NsecToTimeval(int64(timeout))
				_ = syscall.SetsockoptTimeval(int(fd), syscall.SOL_SOCKET, option, &tv)
			}
		}
	})
}

// file returns a descriptor of its own, which the caller closes.
func (s socket) file(c syscall.Conn) (*os.File, error) {
	d, err := handoff.Duplicate(c)
	if err != nil {
		return nil, err
	}
	return d.File(), nil
}

// closeRead has the program read the end of its input, after what has arrived.
func (s socket) closeRead() { s.shutdown(syscall.SHUT_RD) }

func (s socket) closeWrite() { s.shutdown(syscall.SHUT_WR) }

func (s socket) shutdown(how int) {
	_ = s.raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), how) })
}
