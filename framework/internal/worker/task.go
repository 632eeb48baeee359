// Package worker has processes finish tasks: requests, and sockets to be served. It knows
// frames, descriptors and processes; what a task means is its caller's business.
package worker

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// A Task is one thing for a process to do. It is over when its outcome has arrived.
type Task struct {
	// Frame is sent to the process, with a number of its own.
	Frame handoff.Frame
	// Socket has the descriptor that is sent along; nil: there is none.
	Socket syscall.Conn
	// Layer is what the process has connections pass; nil: nothing.
	Layer *Layer
	// Stop is closed when the process is to be told to end the task soon.
	Stop <-chan struct{}
	// Retire is closed when the process is to take no more requests of a socket; nil: never.
	Retire <-chan struct{}
	// Takers has the processes that take requests of a socket themselves, until they have retired; nil for a request.
	Takers *Takers
	// WantAck makes the process acknowledge the descriptor, so that another process can be
	// given the task if this one ends before.
	WantAck bool
	// Acked is called when the process has the descriptor: the caller's copy may be closed.
	Acked func()
	// Begun is called with what ends a process that is being started for the task; nil: it is not.
	Begun func(kill func())
	// Killable is called with what ends the process, before the process has the task.
	Killable func(pid int, kill func())
	// Conclude is called with the outcome and returns the error of the task. It must not keep
	// the body of the frame.
	Conclude func(outcome *handoff.Frame) error
	// Event is called for each other frame about the task; nil: they are ignored. It must not
	// keep the body of the frame.
	Event func(p *Process, f *handoff.Frame)
	// Over is called once, after the last Event, when p is done with the task or has gone; nil: it is not. err is that of
	// what p has begun and not reported the end of.
	Over func(p *Process, err error)
}

// Relay has do perform t with one end of a socketpair, and copies between the other end and c
// until the process is done. c stays the caller's, and nothing of it is read before the process has its end. write bounds one write to c; 0: no bound.
// It returns the bytes from c and to it.
func (t *Task) Relay(c net.Conn, write time.Duration, do func(*Task) error) (in, out int64, err error) {
	relay, theirs, err := conn.NewRelay(c, write)
	if err != nil {
		return 0, 0, fmt.Errorf("hand over: %w", err)
	}
	t.Socket, t.Acked = theirs, func() { _ = theirs.Close(); relay.Start() }
	killable := t.Killable
	t.Killable = func(pid int, kill func()) {
		killable(pid, func() { kill(); relay.Abort() })
	}
	err = do(t)
	_ = theirs.Close() // where it was not handed over
	err = cmp.Or(err, relay.Finish())
	in, out = relay.Bytes()
	return in, out, err
}

var (
	// ErrServerClosed is exported by package framework.
	ErrServerClosed = errors.New("framework: server closed")
	// ErrNotTaken is the error of a task that another process can be given: this one has gone
	// without taking it.
	ErrNotTaken = errors.New("hand over")
	// ErrGone is wrapped by the error of a task whose process has ended, and is exported as
	// ErrWorkerGone by package framework.
	ErrGone = errors.New("the worker process has gone")
	// ErrDropped is the error of a datagram that was dropped and counted.
	ErrDropped = errors.New("framework: datagram dropped")
)
