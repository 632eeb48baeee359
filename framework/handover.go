package framework

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// handOver makes a task of r and has do perform it, which waits until it is over. With keep the connection stays
// open here until the process has it, so that do can give it to another one.
func (s *BaseServer) handOver(r *Request, keep bool, do func(*worker.Task) error) error {
	t := worker.Task{
		Frame: handoff.Frame{
			Kind: handoff.Datagram, Flags: s.counted(),
			Network: r.Network, Client: r.client(), Local: conn.AddressText(r.LocalAddress),
		},
		Stop:     s.Done(),
		Begun:    r.abortable,
		Killable: r.Started,
		Conclude: r.concludeTask,
	}
	f := &t.Frame
	if r.conn == nil {
		f.Body = r.packet.Data()
		return do(&t)
	}
	f.Kind = handoff.Stream
	f.ReadBuffer, f.WriteBuffer = int32(s.readBuffer), int32(s.WriteBuffer)
	r.options.Describe(f)
	switch {
	case s.workerLayer != nil && !r.wrapped:
		t.Layer, f.Body = s.workerLayer, binary.BigEndian.AppendUint64(nil, s.workerLayer.ID)
		f.Flags |= handoff.Layered
	case r.TLS != nil:
		f.Body, _ = json.Marshal(r.TLS) // of plain values
	}
	if t.Socket = r.Socket(); t.Socket == nil {
		return s.relay(r, &t, do)
	}
	t.WantAck = keep
	t.Acked = func() { s.CloseRequest(r) } // ours only; shutdown(2) would act on what the process has
	return do(&t)
}

// relay has do perform t with a relay of the connection of r. A process that was killed has not counted its bytes.
func (s *BaseServer) relay(r *Request, t *worker.Task, do func(*worker.Task) error) error {
	in, out, err := t.Relay(r.conn, s.timeouts().Write, do)
	if r.traced != nil && r.traced.in < 0 {
		r.Moved(in, out)
	}
	return err
}

// counted is the flag that asks a worker to count the bytes of requests.
func (s *BaseServer) counted() byte {
	if s.Trace == nil {
		return 0
	}
	return handoff.Count
}

// concludeTask does what the outcome of a request asks for.
func (r *Request) concludeTask(f *handoff.Frame) error {
	if f.Flags&handoff.Count != 0 {
		r.Moved(f.In, f.Out)
	}
	if f.Flags&handoff.Stop != 0 {
		r.StopServer()
	}
	err := errorOf(f)
	if r.packet != nil && len(f.Body) > 0 {
		err = cmp.Or(err, r.Answer(f.Body))
	}
	return err
}

// sharedSocket tells a worker how to serve a socket that all workers of a server share.
type sharedSocket struct {
	Network     string `json:"network"`
	Packets     bool   `json:"packets,omitempty"` // datagrams; udp and unixgram have them in any case
	ReadBuffer  int    `json:"read_buffer"`       // bytes
	WriteBuffer int    `json:"write_buffer"`      // bytes; 0: the handler's own; less than 0: none
	SocketOptions
	Local    []netip.AddrPort `json:"local,omitempty"`    // the server's UDP sockets, which are not answered
	Layer    uint64           `json:"layer,omitempty"`    // that connections pass; 0: none
	Preamble json.RawMessage  `json:"preamble,omitempty"` // describes what precedes requests; nil: nothing does
}

// socketTask has workers serve the socket of s.
func (s *BaseServer) socketTask(socket syscall.Conn) (worker.Task, error) {
	o := sharedSocket{Network: s.Transport.Network(), ReadBuffer: s.ReadBuffer, WriteBuffer: s.WriteBuffer}
	if t, ok := s.Transport.(shareable); ok {
		d := t.Describe()
		o.SocketOptions, o.Packets, o.Local = SocketOptions(d.Options), d.Packets, d.Local
	}
	if s.workerLayer != nil {
		o.Layer = s.workerLayer.ID
	}
	o.Preamble = s.workerPreamble
	body, err := json.Marshal(o)
	return worker.Task{
		Layer: s.workerLayer,
		Frame: handoff.Frame{Kind: handoff.Listen, Flags: s.counted(), Body: body}, Socket: socket,
		Stop: s.Done(), Retire: s.life.Retired(), Takers: &s.takers, Conclude: errorOf, Event: s.socketEvent, Over: s.endReports,
	}, err
}

// socketEvent acts on what a worker says of a shared socket and its requests.
func (s *BaseServer) socketEvent(p *worker.Process, f *handoff.Frame) {
	switch {
	case f.Kind == handoff.Quit:
		s.stopServer()
		return
	case s.Trace == nil:
		return
	}
	switch f.Flags {
	case handoff.Started:
		r := s.reportedRequest(f)
		if !s.reported.Open(p, f.Request, r) {
			s.reporter.Unfollowed(s.log(), p.Pid())
			return
		}
		s.traceAccepted(r)
		s.traceStarted(r, InWorkers, p.Pid())
	case handoff.Refused:
		r := s.reportedRequest(f)
		s.traceAccepted(r)
		s.traceRefused(r, Refusal(f.Text))
	case handoff.Ended:
		if r, ok := s.reported.Close(p, f.Request); ok {
			s.endReported(r, Outcome{Err: errorOf(f), Duration: time.Duration(f.Duration), In: f.In, Out: f.Out, Pid: p.Pid()})
		}
	}
}

// reportedRequest makes a request that a worker has accepted.
func (s *BaseServer) reportedRequest(f *handoff.Frame) *Request {
	r := &Request{
		ClientAddress: conn.ParseAddress(f.Network, f.Client), LocalAddress: conn.ParseAddress(f.Network, f.Local),
		Network: f.Network, Server: s.Name, server: s,
	}
	s.beginTrace(r)
	return r
}

// endReported traces the end of a request that a worker has reported.
func (s *BaseServer) endReported(r *Request, o Outcome) {
	if s.Trace.Ended != nil {
		o.Started, o.Cut = true, s.isCut()
		s.Trace.Ended(r, o)
	}
}

// endReports ends the requests that a worker reports no ends of: it is done with the socket, or has gone.
func (s *BaseServer) endReports(p *worker.Process, err error) {
	for _, r := range s.reported.Leave(p) {
		s.endReported(r, Outcome{Err: err, Duration: time.Duration(conn.Now() - r.traced.began), In: -1, Out: -1, Pid: p.Pid()})
	}
}

// errorOf returns the handler's error of an outcome.
func errorOf(f *handoff.Frame) error {
	if f.Status&handoff.InHandshake != 0 {
		within := *f
		within.Status &^= handoff.InHandshake
		return &HandshakeError{worker.ErrorOf(&within)}
	}
	err := worker.ErrorOf(f)
	if panicked := (*worker.Panic)(nil); errors.As(err, &panicked) {
		return (*PanicError)(panicked)
	}
	return err
}
