package worker

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// Do hands t over and waits until it is over. The error wraps ErrNotTaken where another
// process can be given t.
func (p *Process) Do(t *Task) error {
	if files := p.files(); files > 0 && t.Frame.Kind != handoff.Listen { // a socket is no connection, and stays for as long as its server
		if !p.inFlight.Acquire(files, t.Stop) {
			return ErrServerClosed
		}
		defer p.inFlight.Release()
	}
	id, h, err := p.register(t)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotTaken, err)
	}
	if t.Killable != nil {
		var over atomic.Bool // another task may have the process then
		defer over.Store(true)
		t.Killable(p.pid, func() {
			if !over.Load() {
				p.kill()
			}
		})
	}
	if err := p.handOver(t, id); err != nil {
		p.forget(id, h, err)
		if channelEnded(err) || p.ended() {
			return fmt.Errorf("%w: %w", ErrNotTaken, err)
		}
		return fmt.Errorf("hand over: %w", err)
	}
	return p.await(t, id, h)
}

// notTakenPatience is the time that a process that takes no tasks has to end.
const notTakenPatience = time.Second

// Offer has one process after the other do t, until one takes it. next waits for the next one,
// which has not gone.
func Offer(t *Task, next func() (*Process, error)) error {
	for {
		p, err := next()
		if err != nil {
			return err
		}
		if err = p.Do(t); !errors.Is(err, ErrNotTaken) || life.Closed(t.Stop) {
			return err
		}
		select { // until then it would be offered again
		case <-p.gone:
		case <-t.Stop:
			return ErrServerClosed
		case <-time.After(notTakenPatience):
			p.kill() // it lives and takes nothing
		}
	}
}

// await waits for the outcome, and passes on that the task is to retire or to stop. The layer of a socket is followed
// meanwhile; that of another task is described with the next one.
func (p *Process) await(t *Task, id uint64, h *inflight) error {
	if t.Layer != nil && t.Frame.Kind == handoff.Listen {
		over := make(chan struct{})
		defer close(over)
		go p.followLayer(t.Layer, over) // it may wait for room in the channel, and ends with the process at the latest
	}
	stop, retire := t.Stop, t.Retire
	for {
		select {
		case err := <-h.outcome:
			return err
		case <-retire:
			retire = nil
			f := &handoff.Frame{Kind: handoff.Cancel, ID: id}
			if t.Takers != nil {
				f.Flags |= handoff.WantAck
			}
			p.cancel(f)
		case <-stop:
			stop, retire = nil, nil
			p.cancel(&handoff.Frame{Kind: handoff.Cancel, Flags: handoff.Stop, ID: id})
		}
	}
}

func (p *Process) cancel(f *handoff.Frame) {
	if errors.Is(p.channel.TrySend(f), handoff.ErrFull) {
		go func() { _ = p.channel.Send(f, nil) }() // ends with the process at the latest
	}
}

func (p *Process) handOver(t *Task, id uint64) error {
	f := &t.Frame
	f.ID = id
	if t.WantAck {
		f.Flags |= handoff.WantAck
	}
	if t.Socket == nil {
		return p.handOverDatagram(f)
	}
	if t.Layer != nil {
		if _, err := p.describe(t.Layer); err != nil {
			return err
		}
	}
	if err := p.sendPatiently(f, t.Socket, t.Stop); err != nil {
		return err
	}
	if !t.WantAck && t.Acked != nil {
		t.Acked()
	}
	return nil
}

// handOverDatagram drops what the process has no room for, as the kernel drops what a socket
// has no room for.
func (p *Process) handOverDatagram(f *handoff.Frame) error {
	err := p.channel.TrySend(f)
	if !errors.Is(err, handoff.ErrFull) {
		return err
	}
	if more, ok := p.full.Allow(1); ok {
		p.log.Warn("datagram dropped: the worker is busy", ratelog.More(more)...)
	}
	return ErrDropped
}

// sendPatiently retries while too many descriptors of this user are in flight between
// processes, which passes when their receivers read.
func (p *Process) sendPatiently(f *handoff.Frame, socket syscall.Conn, stop <-chan struct{}) error {
	const patience = time.Second
	for delay := 5 * time.Millisecond; ; delay *= 2 {
		err := p.channel.Send(f, socket)
		if !errors.Is(err, syscall.ETOOMANYREFS) {
			return err
		}
		if delay > patience {
			return fmt.Errorf("more descriptors are in flight to workers than this process may have open; raise the limit (ulimit -n): %w", err)
		}
		select {
		case <-time.After(delay):
		case <-stop:
			return ErrServerClosed
		}
	}
}

// channelEnded reports whether a send failed because the other side has gone, or was still
// waiting when it went.
func channelEnded(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ENOTCONN)
}
