package framework

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
	"github.com/go-socketserver/socketserver/framework/internal/store"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// WorkerConfiguration is what a worker process has to know.
type WorkerConfiguration struct {
	Server      string          `json:"server"`
	Build       string          `json:"build"`           // what the worker has to be of; empty: it is not asked
	Check       bool            `json:"check,omitempty"` // it is asked whether it could open the class, too
	Constructor int             `json:"constructor"`     // which of ServeWorker's
	Concurrency string          `json:"concurrency"`     // the server's strategy, in the words of a configuration
	Options     json.RawMessage `json:"options"`         // of the handler
	Timeouts    Timeouts        `json:"timeouts"`
	MaxLine     int             `json:"max_line,omitempty"`
	Limits      *Limits         `json:"limits,omitempty"`  // of a worker that gets its requests itself
	Journal     int             `json:"journal,omitempty"` // the descriptor of memory for events; 0: they are sent
	LogLevel    string          `json:"log_level"`
}

// own are the constructors that this program can be a worker of.
var own []Constructor

// ServeWorker is the first line of the main of a program that uses [Forking] or [Preforking]: a
// program that was started as a worker serves as one and does not return. The server and the
// worker name the same constructors in the same order.
func ServeWorker(constructors ...Constructor) {
	own = constructors
	name, ok := os.LookupEnv(worker.Variable)
	if !ok {
		return
	}
	_ = os.Unsetenv(worker.Variable)
	if err := serveWorker(name); err != nil {
		workerLog("error").Error("worker ended", "error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveWorker(name string) error {
	var c WorkerConfiguration
	p, err := worker.Adopt(name, &c)
	if errors.Is(err, io.EOF) { // the server had no use for this process
		return nil
	}
	if err != nil {
		return err
	}
	if c.Constructor < 0 || c.Constructor >= len(own) {
		return fmt.Errorf("handler %d of %d: the server is of another build", c.Constructor, len(own))
	}
	if c.Build != "" && c.Build != Build() {
		return p.SayHello(worker.Hello{Build: Build()}) // the server logs it; serving would run other handlers than it knows
	}
	if err := p.OpenJournal(c.Journal); err != nil {
		return err
	}
	class, err := own[c.Constructor].Class(c.Options)
	if err != nil {
		return fmt.Errorf("configure handler: %w", err)
	}
	if c.Check && class.Check != nil {
		if err := class.Check(); err != nil {
			return p.SayHello(worker.Hello{Build: c.Build, Problems: []worker.Problem{{Problem: fmt.Sprintf("open handler class: %v", err)}}})
		}
	}
	return serveParent(p, c, class, true)
}

// ServeChannel serves the requests that arrive on descriptor until it ends, as the server has no
// more or has gone, or until stop is closed. It then waits for those in flight, for at most the
// drain timeout, and closes class. Programs call [ServeWorker] or package plugin instead.
func ServeChannel(descriptor int, stop <-chan struct{}, c WorkerConfiguration, class *HandlerClass) error {
	p, err := worker.NewParent(descriptor)
	if err != nil {
		return err
	}
	go func() {
		<-stop
		_ = p.CloseRead()
	}()
	return serveParent(p, c, class, false)
}

func serveParent(p *worker.Parent, c WorkerConfiguration, class *HandlerClass, child bool) error {
	hello := worker.Hello{Build: c.Build, State: class.UsesState} // where the server asks this is its Build, too
	if RestoreLayer != nil {
		hello.Layers = layerVersion
	}
	if err := p.SayHello(hello); err != nil {
		return err
	}
	t := &parentTransport{parent: p, class: class, configuration: c}
	t.layers.Restore, p.Layer = t.restoreLayer, t.describeLayer
	if class.UsesState {
		t.state = store.NewRemote[Entry](p.Send)
		p.Answer = t.state.Take
	}
	s := t.server(t)
	s.HandleError, s.OnStop = func(*Request, error) {}, func() {} // the outcome has both
	s.killsLate = child
	if err := s.ServeForever(); !errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrServerClosed) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(c.Timeouts.Drain, 10*time.Second))
	defer cancel()
	var errs []error
	t.sockets.Range(func(of, _ any) bool { of.(*BaseServer).Stop(); return true })
	t.sockets.Range(func(of, _ any) bool { errs = append(errs, of.(*BaseServer).Shutdown(ctx)); return true })
	return errors.Join(append(errs, s.Shutdown(ctx))...)
}

// workerLog writes what the server understands to stderr.
func workerLog(level string) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(level), Output: os.Stderr, JSONFormat: true})
}

// parentTransport is a worker's transport: what its server hands over.
type parentTransport struct {
	parent        *worker.Parent
	class         *HandlerClass
	configuration WorkerConfiguration
	state         *store.Remote[Entry] // nil: the class has no use for it
	sockets       sync.Map             // the servers of those that are served here
	layers        worker.Inherited
}

// server makes a server of this process.
func (t *parentTransport) server(from Transport) *BaseServer {
	c := &t.configuration
	s := &BaseServer{
		Name: c.Server, Transport: from, Strategy: &Threading{}, Class: t.class, Log: workerLog(c.LogLevel),
		Timeouts: c.Timeouts, MaxLine: c.MaxLine,
	}
	if t.state != nil {
		s.State = t.state
	}
	return s
}

func (*parentTransport) Network() string             { return "" }
func (*parentTransport) Open() error                 { return nil }
func (*parentTransport) Addr() net.Addr              { return nil }
func (*parentTransport) SetDeadline(time.Time) error { return nil }

// Close does nothing: outcomes are still to be sent. The process's end closes the channel.
func (*parentTransport) Close() error { return nil }

func (t *parentTransport) GetRequest() (r *Request, err error) {
	for r == nil {
		err := t.parent.Next(func(f *handoff.Frame, socket *handoff.Descriptor) error {
			if f.Kind == handoff.Listen {
				t.serveSocket(f, socket)
			} else {
				r = t.request(f, socket)
			}
			return nil
		})
		if err != nil && t.state != nil {
			t.state.Close()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, net.ErrClosed
		case err != nil:
			return nil, fmt.Errorf("%w: receive request: %w", net.ErrClosed, err)
		}
	}
	return r, nil
}

// request makes the request of a frame.
func (t *parentTransport) request(f *handoff.Frame, socket *handoff.Descriptor) *Request {
	client, local := conn.ParseAddress(f.Network, f.Client), conn.ParseAddress(f.Network, f.Local)
	outcome := &handoff.Frame{Kind: handoff.Outcome, ID: f.ID, Flags: f.Flags & handoff.Count}
	var r *Request
	if f.Kind == handoff.Datagram {
		r = NewDatagramRequest(f.Network, f.Body, client, local, func(p []byte) error {
			outcome.Body = append(outcome.Body, p...)
			return nil
		})
	} else {
		r = NewStreamRequest(f.Network, conn.FromDescriptor(socket, local, client, conn.OptionsOf(f)))
		r.readBuffer, r.writeBuffer = int(f.ReadBuffer), int(f.WriteBuffer)
		switch {
		case f.Flags&handoff.Layered != 0:
			r.layers = []Layer{t.layers.Layer(binary.BigEndian.Uint64(f.Body))}
		case len(f.Body) > 0:
			r.TLS = new(TLS)
			_ = json.Unmarshal(f.Body, r.TLS) // as the server wrote it
		}
	}
	rawsock.Monitor()
	t.parent.Begin(f.ID, func(bool) { r.Cancel() })
	last := f.Flags&handoff.Last != 0
	r.done = func(r *Request, err error) {
		t.parent.Finish(r.outcome(outcome, err))
		if last {
			worker.Exit(t.class.Close)
		}
	}
	return r
}

// serveSocket has a server of its own serve the socket, beside the one whose transport is the
// channel. The outcome is sent when that has retired and its requests are over.
func (t *parentTransport) serveSocket(f *handoff.Frame, descriptor *handoff.Descriptor) {
	id := f.ID
	finish := func(err error) {
		outcome := &handoff.Frame{Kind: handoff.Outcome, ID: id}
		setError(outcome, err)
		t.parent.Finish(outcome)
	}
	s, err := t.inherit(f, descriptor.File())
	if err == nil {
		err = s.Listen()
	}
	if err != nil {
		finish(err)
		return
	}
	t.sockets.Store(s, nil)
	t.parent.Begin(id, s.retireSocket)
	go func() {
		err := s.ServeForever()
		if errors.Is(err, ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			err = nil
		}
		_ = s.Retire(context.Background()) // the server ends this process where it takes too long
		t.sockets.Delete(s)
		finish(err)
	}()
}

// describeLayer has connections pass a layer as the server describes it. Where that cannot be had this process takes
// no more requests and ends, and the server starts another one.
func (t *parentTransport) describeLayer(id uint64, description []byte) error {
	err := t.layers.Describe(id, description)
	if err != nil {
		workerLog("error").Error("worker ends: it cannot have a layer of its server", "error", err)
	}
	return err
}

// restoreLayer makes a layer of the server's.
func (t *parentTransport) restoreLayer(id uint64, description []byte) (worker.Wrapper, error) {
	if RestoreLayer == nil {
		return nil, errors.New("this program does not set framework.RestoreLayer")
	}
	return RestoreLayer(description, func(ctx context.Context, question []byte) ([]byte, error) {
		return t.parent.Ask(ctx, id, question)
	})
}

// inherit makes the server of a socket. It owns file.
func (t *parentTransport) inherit(f *handoff.Frame, file *os.File) (*BaseServer, error) {
	var o sharedSocket
	if err := json.Unmarshal(f.Body, &o); err != nil {
		return nil, errors.Join(fmt.Errorf("read description of socket: %w", err), file.Close())
	}
	id := f.ID
	s := t.server(nil)
	s.Limits, s.ReadBuffer, s.WriteBuffer = t.configuration.Limits, o.ReadBuffer, o.WriteBuffer
	if o.Layer != 0 {
		s.Layers = []Layer{t.layers.Layer(o.Layer)}
	}
	if len(o.Preamble) > 0 {
		if err := s.restorePreamble(o.Preamble); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	s.OnStop = func() { _ = t.parent.Send(&handoff.Frame{Kind: handoff.Quit, ID: id}) }
	if f.Flags&handoff.Count != 0 {
		s.Trace = t.trace(id)
	}
	if options := (*socket.Options)(&o.SocketOptions); o.Packets || slices.Contains(packets, o.Network) {
		s.Transport = packetTransport{socket.InheritPackets(o.Network, options, file, o.Local)}
	} else {
		s.Transport = streamTransport{socket.InheritStream(o.Network, options, file)}
	}
	return s, nil
}

// retireSocket has s take no more requests, and with stop end those that it has soon.
func (s *BaseServer) retireSocket(stop bool) {
	if stop {
		s.Stop()
	} else {
		s.life.Retire(s.drained)
	}
	if n := s.Active(); n > 0 {
		s.log().Info("worker waits for requests", "requests", n)
	}
}

// trace sends what happens to the requests of the socket id to the server, see socketEvent.
func (t *parentTransport) trace(id uint64) *Trace {
	var last atomic.Uint64
	send := func(r *Request, f handoff.Frame) {
		f.Kind, f.ID, f.Request = handoff.Event, id, r.traced.number
		if f.Flags != handoff.Ended { // of which the server knows the request
			f.Network, f.Client, f.Local = r.Network, r.client(), conn.AddressText(r.LocalAddress)
		}
		_ = t.parent.Report(&f)
	}
	return &Trace{
		Started: func(r *Request, _ Place, _ int) {
			r.traced.number = last.Add(1)
			send(r, handoff.Frame{Flags: handoff.Started})
		},
		Refused: func(r *Request, why Refusal) {
			send(r, handoff.Frame{Flags: handoff.Refused, Text: string(why)})
		},
		Ended: func(r *Request, o Outcome) {
			f := handoff.Frame{Flags: handoff.Ended, Duration: int64(o.Duration), In: o.In, Out: o.Out}
			setError(&f, o.Err)
			send(r, f)
		},
	}
}

// setError is the inverse of errorOf.
func setError(f *handoff.Frame, err error) {
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		err = (*worker.Panic)(panicked)
	}
	handshake := (*HandshakeError)(nil)
	if errors.As(err, &handshake) {
		err = handshake.Err
	}
	worker.SetError(f, err)
	if handshake != nil {
		f.Status |= handoff.InHandshake
	}
}
