package framework

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// finishRemotely has the worker of the class finish r. The connection stays open here
// until the worker says that it has it: where the worker goes before that, the one that
// takes its place gets it, and a process that dies costs only what it had taken.
func (s *BaseServer) finishRemotely(r *Request) {
	s.conclude(r, func() error { return s.handToRemote(r) })
}

func (s *BaseServer) handToRemote(r *Request) error {
	var flags byte
	if r.conn != nil {
		flags = handoff.Tell
	}
	for {
		w, err := s.Class.Remote.Worker(s.context())
		if err != nil {
			return err
		}
		err = w.finish(s, r, flags)
		if !errors.Is(err, errUntaken) || s.isStopped() {
			return err
		}
		select { // until then it would be offered again
		case <-w.gone:
		case <-s.Done():
			return ErrServerClosed
		case <-time.After(untakenPatience):
			w.kill() // it lives and takes nothing
		}
	}
}

// errUntaken marks a request that could not be handed over, as the process has gone: the
// server still owns it.
var errUntaken = errors.New("hand over")

// channelEnded says whether a send failed because the other side has gone, or was still
// waiting when it went.
func channelEnded(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ENOTCONN)
}

func (w *Worker) handOver(s *BaseServer, r *Request, id uint64, flags byte) error {
	f := &handoff.Frame{ID: id, Flags: flags, Network: r.Network, Client: r.client(), Local: addressText(r.LocalAddress)}
	if r.conn == nil {
		f.Kind, f.Body = handoff.Datagram, r.packet.data()
		return w.handOverDatagram(s, f)
	}
	f.Kind = handoff.Stream
	f.ReadBuffer, f.WriteBuffer = int32(s.readBuffer()), int32(s.WriteBuffer)
	f.KeepAlive = int32(r.socket.keepAlive.Milliseconds())
	if r.socket.keepAlive < 0 {
		f.KeepAlive = -1
	}
	if r.socket.nagle {
		f.Flags |= handoff.Nagle
	}
	conn, ok := r.conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T has no descriptor to hand over; use threading with a handler that is compiled in", r.conn)
	}
	if err := sendPatiently(w.channel, f, conn, s.Done()); err != nil {
		return err
	}
	if flags&handoff.Tell == 0 {
		s.CloseRequest(r) // ours only; shutdown(2) would act on what the worker has now
	}
	return nil
}

// handOverDatagram drops what the worker has no room for, as the system does with what a
// socket has no room for.
func (w *Worker) handOverDatagram(s *BaseServer, f *handoff.Frame) error {
	err := w.channel.TrySend(f)
	if !errors.Is(err, handoff.ErrFull) {
		return err
	}
	if more, ok := w.full.Allow(1); ok {
		s.log().Warn("datagram dropped: the worker is busy", ratelog.More(more)...)
	}
	return errDropped
}

// sendPatiently tries again while too many descriptors are under way between processes
// of this user, which passes when their receivers read.
func sendPatiently(channel *handoff.Conn, f *handoff.Frame, socket syscall.Conn, done <-chan struct{}) error {
	const patience = time.Second
	for delay := 5 * time.Millisecond; ; delay *= 2 {
		err := channel.Send(f, socket)
		if !errors.Is(err, syscall.ETOOMANYREFS) {
			return err
		}
		if delay > patience {
			return fmt.Errorf("too many descriptors are under way to workers, more than this process may have open; raise the limit (ulimit -n): %w", err)
		}
		select {
		case <-time.After(delay):
		case <-done:
			return ErrServerClosed
		}
	}
}
