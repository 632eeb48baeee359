package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// finishIn has a process finish r: do hands a task over and waits until it is over.
func (s *BaseServer) finishIn(r *Request, do func(*worker.Task) error) {
	s.conclude(r, func() error { return s.handOver(r, false, do) })
}

// handOver makes a task of r and has do perform it. With keep the connection stays open here
// until the process has it, so that do can give it to another one.
func (s *BaseServer) handOver(r *Request, keep bool, do func(*worker.Task) error) error {
	t := s.newTask(r)
	if r.conn == nil {
		return do(&t)
	}
	if err := s.wrap(r); err != nil {
		return err
	}
	if socket, ok := r.conn.(syscall.Conn); ok && r.conn == r.accepted {
		t.Socket, t.WantAck = socket, keep
		t.Acked = func() { s.CloseRequest(r) } // ours only; shutdown(2) would act on what the process has
		return do(&t)
	}
	return s.relay(r, &t, do)
}

// relay gives the process one end of a socketpair, and copies between the other end and the
// connection until the process is done.
func (s *BaseServer) relay(r *Request, t *worker.Task, do func(*worker.Task) error) error {
	relay, theirs, err := conn.NewRelay(r.conn, s.Timeouts.Write)
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	t.Socket = theirs
	t.Acked = func() { _ = theirs.Close() }
	killable := t.Killable
	t.Killable = func(pid int, kill func()) {
		killable(pid, func() { kill(); relay.Abort() })
	}
	err = do(t)
	_ = theirs.Close() // where it was not handed over
	relay.Finish()
	return err
}

func (s *BaseServer) newTask(r *Request) worker.Task {
	started := false // a process that has gone without taking it may be followed by another
	t := worker.Task{
		Frame: handoff.Frame{
			Kind: handoff.Datagram, Network: r.Network, Client: r.client(), Local: conn.AddressText(r.LocalAddress),
		},
		Stop: s.Done(),
		Killable: func(pid int, kill func()) {
			if r.traced != nil {
				r.traced.pid = pid
			}
			if !started {
				started = true
				s.traceStarted(r, InWorkers, pid)
			}
			r.onAbort(kill)
		},
		Conclude: func(f *handoff.Frame) error { return s.concludeTask(r, f) },
	}
	f := &t.Frame
	if s.Trace != nil {
		f.Flags |= handoff.Count
	}
	if r.conn == nil {
		f.Body = r.packet.Data()
		return t
	}
	f.Kind = handoff.Stream
	f.ReadBuffer, f.WriteBuffer = int32(s.readBuffer()), int32(s.WriteBuffer)
	f.KeepAlive = int32(r.options.KeepAlive.Milliseconds())
	if r.options.KeepAlive < 0 {
		f.KeepAlive = -1
	}
	if r.options.Nagle {
		f.Flags |= handoff.Nagle
	}
	return t
}

// concludeTask does what the outcome of a request asks for.
func (s *BaseServer) concludeTask(r *Request, f *handoff.Frame) error {
	if r.traced != nil {
		r.traced.in, r.traced.out = f.In, f.Out
	}
	if f.Flags&handoff.Stop != 0 {
		r.StopServer()
	}
	err := errorOf(f)
	if r.packet != nil && len(f.Body) > 0 {
		r.leave(s)
		if failed := r.packet.Send(f.Body); err == nil {
			err = failed
		}
	}
	return err
}

// errorOf returns the handler's error of an outcome.
func errorOf(f *handoff.Frame) error {
	err := worker.ErrorOf(f)
	if panicked := (*worker.Panic)(nil); errors.As(err, &panicked) {
		return (*PanicError)(panicked)
	}
	return err
}

// sharedSocket tells a worker how to serve a socket.
type sharedSocket struct {
	Network     string `json:"network"`
	Packets     bool   `json:"packets,omitempty"` // datagrams; udp and unixgram have them in any case
	ReadBuffer  int    `json:"read_buffer"`       // bytes
	WriteBuffer int    `json:"write_buffer"`      // bytes; 0: the handler's own; less than 0: none

	// Local are the addresses of the server's UDP sockets. A datagram that comes from one is
	// not answered.
	Local []netip.AddrPort `json:"local,omitempty"`
	SocketOptions
}

// socketTask has workers serve the socket of s.
func (s *BaseServer) socketTask(socket syscall.Conn) (worker.Task, error) {
	o := sharedSocket{Network: s.Transport.Network(), ReadBuffer: s.ReadBuffer, WriteBuffer: s.WriteBuffer}
	if t, ok := s.Transport.(shareable); ok {
		t.describe(&o)
	}
	body, err := json.Marshal(o)
	if err != nil {
		return worker.Task{}, err
	}
	f := handoff.Frame{Kind: handoff.Listen, Body: body}
	if s.Trace != nil {
		f.Flags |= handoff.Count
	}
	return worker.Task{
		Frame: f, Socket: socket, Stop: s.Done(), Retire: s.life.Retired(), Conclude: errorOf,
		Event: func(pid int, f *handoff.Frame) {
			if f.Kind == handoff.Quit {
				s.stopServer()
				return
			}
			s.traceEvent(pid, f)
		},
	}, nil
}

// traceEvent reports what a worker says about a request of a shared socket.
func (s *BaseServer) traceEvent(pid int, f *handoff.Frame) {
	if s.Trace == nil {
		return
	}
	r := &Request{
		ClientAddress: conn.ParseAddress(f.Network, f.Client), LocalAddress: conn.ParseAddress(f.Network, f.Local),
		Network: f.Network, Server: s.Name, server: s,
	}
	switch f.Flags {
	case handoff.Started:
		s.traceAccepted(r)
		s.traceStarted(r, InWorkers, pid)
	case handoff.Refused:
		s.traceAccepted(r)
		s.traceRefused(r, Refusal(f.Text))
	case handoff.Ended:
		if s.Trace.Ended != nil {
			s.Trace.Ended(r, Outcome{Err: errorOf(f), Duration: time.Duration(f.Duration), In: f.In, Out: f.Out, Pid: pid})
		}
	}
}
