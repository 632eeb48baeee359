package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// own are the constructors that this program can be a worker of.
var own []Constructor

// ServeWorker is the first line of the main of a program that uses [Forking]: where the
// program was started as a worker it serves as one and does not return. The server and
// the worker have to name the same constructors in the same order.
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

// workerLog writes what the server understands to stderr.
func workerLog(level string) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(level), Output: os.Stderr, JSONFormat: true})
}

// WorkerConfiguration is what a worker process has to know.
type WorkerConfiguration struct {
	Server      string          `json:"server"`
	Build       string          `json:"build"`       // what the worker has to be of; empty: it is not asked
	Constructor int             `json:"constructor"` // which of ServeWorker's
	Options     json.RawMessage `json:"options"`     // of the handler
	Timeouts    Timeouts        `json:"timeouts"`
	MaxLine     int             `json:"max_line,omitempty"`
	Limits      *Limits         `json:"limits,omitempty"` // of a worker that gets its requests itself
	LogLevel    string          `json:"log_level"`
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
	if c.Build != "" && c.Build != build() {
		return p.SayHello(build()) // the server logs it; serving would run other handlers than it knows
	}
	class, err := own[c.Constructor].Class(c.Options)
	if err != nil {
		return fmt.Errorf("configure handler: %w", err)
	}
	return serveParent(p, c, class, true)
}

// ServeChannel serves the requests that arrive on descriptor until it ends, which means
// that the server has no more or has gone, or until stop is closed. It then waits for those
// under way, for at most the drain timeout, and closes class. Programs call [ServeWorker] or
// package plugin instead.
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
	said := ""
	if c.Build != "" { // the server asks
		said = build()
	}
	if err := p.SayHello(said); err != nil {
		return err
	}
	from := &parentTransport{parent: p, class: class, configuration: c, servers: map[*BaseServer]struct{}{}}
	s := &BaseServer{
		Name: c.Server, Transport: from,
		Strategy: &Threading{}, Class: class, Log: workerLog(c.LogLevel), Timeouts: c.Timeouts, MaxLine: c.MaxLine,
		HandleError: func(*Request, error) {}, // the outcome has it
		OnStop:      func() {},                // likewise
	}
	s.killsLate = child
	if err := s.ServeForever(); !errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrServerClosed) {
		return err
	}
	grace := c.Timeouts.Drain
	if grace == 0 {
		grace = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return errors.Join(from.shutdown(ctx), s.Shutdown(ctx))
}

// parentTransport is a worker's transport: what its server hands over.
type parentTransport struct {
	parent        *worker.Parent
	class         *HandlerClass
	configuration WorkerConfiguration

	mu      sync.Mutex
	servers map[*BaseServer]struct{} // of sockets that are served here
}

func (*parentTransport) Network() string             { return "" }
func (*parentTransport) Open() error                 { return nil }
func (*parentTransport) Addr() net.Addr              { return nil }
func (*parentTransport) SetDeadline(time.Time) error { return nil }

// Close does nothing: outcomes are still to be sent. The process's end closes the channel.
func (*parentTransport) Close() error { return nil }

func (t *parentTransport) GetRequest() (r *Request, err error) {
	for {
		err := t.parent.Next(func(f *handoff.Frame, socket *handoff.Descriptor) error {
			if f.Kind == handoff.Listen {
				t.serveSocket(f, socket)
				return nil
			}
			r = t.request(f, socket)
			return nil
		})
		switch {
		case errors.Is(err, io.EOF):
			return nil, net.ErrClosed
		case err != nil:
			return nil, fmt.Errorf("%w: receive request: %w", net.ErrClosed, err)
		case r != nil:
			return r, nil
		}
	}
}

// request makes the request of a frame.
func (t *parentTransport) request(f *handoff.Frame, socket *handoff.Descriptor) *Request {
	client, local := conn.ParseAddress(f.Network, f.Client), conn.ParseAddress(f.Network, f.Local)
	var r *Request
	var answer []byte
	if f.Kind == handoff.Datagram {
		r = NewDatagramRequest(f.Network, f.Body, client, local, func(p []byte) error {
			answer = append(answer, p...) // sent with the outcome
			return nil
		})
	} else {
		o := conn.TCPOptions{Nagle: f.Flags&handoff.Nagle != 0, KeepAlive: time.Duration(f.KeepAlive) * time.Millisecond}
		r = NewStreamRequest(f.Network, conn.FromDescriptor(socket, local, client, o))
		r.readBuffer, r.writeBuffer = int(f.ReadBuffer), int(f.WriteBuffer)
	}
	rawsock.Monitor()
	id, last, count := f.ID, f.Flags&handoff.Last != 0, f.Flags&handoff.Count
	t.parent.Begin(id, func(bool) { r.scope.Cancel(r.server.context()) })
	r.done = func(r *Request, err error) {
		f := outcomeFrame(id, r, err)
		f.Body = answer
		if f.Flags |= count; count != 0 {
			f.In, f.Out = r.bytes()
		}
		t.parent.Finish(f)
		if last {
			worker.Exit(t.class.Close)
		}
	}
	return r
}

func outcomeFrame(id uint64, r *Request, err error) *handoff.Frame {
	f := &handoff.Frame{Kind: handoff.Outcome, ID: id}
	if r.scope.StopAsked() {
		f.Flags |= handoff.Stop
	}
	setError(f, err)
	return f
}

// setError is the inverse of errorOf.
func setError(f *handoff.Frame, err error) {
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		worker.SetPanic(f, (*worker.Panic)(panicked))
	} else if !isEnd(err) {
		worker.SetError(f, err)
	}
}
