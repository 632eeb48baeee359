package framework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/nowait"
	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// Build names the source that this program was built from, or is nil where nobody knows.
// A worker of another Build than its server is not used: it would run other handlers than
// the server knows. A program whose workers are another program sets it in both before
// ServeWorker. It is a function, as most workers are not asked.
var Build func() string

func build() string {
	if Build == nil {
		return ""
	}
	return Build()
}

// workerVariable is set in the environment of a worker, to the name of its server.
const workerVariable = "SOCKETSERVER_WORKER"

// own are the constructors that this program can be a worker of.
var own []Constructor

// ServeWorker is the first line of the main of a program that uses [Forking]: where the
// program was started as a worker it serves as one and does not return. The server and
// the worker have to name the same constructors in the same order.
func ServeWorker(constructors ...Constructor) {
	own = constructors
	name, ok := os.LookupEnv(workerVariable)
	if !ok {
		return
	}
	_ = os.Unsetenv(workerVariable)
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
	Limits      *Limits         `json:"limits,omitempty"` // of a worker that gets its requests itself
	LogLevel    string          `json:"log_level"`
}

func serveWorker(name string) error {
	process.SetName(name)
	// What is typed at the terminal and what a service manager sends to everybody is for the
	// server, which drains and ends its workers. They are ignored and not taken, which would
	// cost a short child a tenth of its life; programs that a handler starts ignore them too.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	channel, err := handoff.FromDescriptor(3)
	if err != nil {
		return err
	}
	var c WorkerConfiguration
	if err := channel.Receive(func(f handoff.Frame) error {
		if f.Kind != handoff.Configure {
			return fmt.Errorf("the first frame is of kind %d", f.Kind)
		}
		return json.Unmarshal(f.Body, &c)
	}); err != nil {
		if errors.Is(err, io.EOF) { // the server had no use for us
			return nil
		}
		return fmt.Errorf("receive configuration: %w", err)
	}
	if c.Constructor < 0 || c.Constructor >= len(own) {
		return fmt.Errorf("handler %d of %d: the server is of another build", c.Constructor, len(own))
	}
	if c.Build != "" && c.Build != build() {
		return sayHello(channel, c) // tells the server, which logs it; serving would run other handlers than it knows
	}
	class, err := own[c.Constructor].Class(c.Options)
	if err != nil {
		return fmt.Errorf("configure handler: %w", err)
	}
	return ServeChannel(channel, c, class)
}

// ServeChannel serves the requests that arrive on channel until it ends, which means
// that the server has no more or has gone. It then waits for those under way, for at most
// the drain timeout, and closes class. Programs call [ServeWorker] or package plugin
// instead.
func ServeChannel(channel *handoff.Conn, c WorkerConfiguration, class *HandlerClass) error {
	if err := sayHello(channel, c); err != nil {
		return err
	}
	from := &parent{
		channel: channel, class: class, configuration: c,
		requests: map[uint64]*Request{}, sockets: map[uint64]*BaseServer{},
	}
	s := &BaseServer{
		Name: c.Server, Transport: from,
		Strategy: &Threading{}, Class: class, Log: workerLog(c.LogLevel), Timeouts: c.Timeouts,
		HandleError: func(*Request, error) {}, // it is told with the outcome
		OnStop:      func() {},                // likewise
	}
	if err := s.ServeForever(); !errors.Is(err, net.ErrClosed) && !errors.Is(err, ErrServerClosed) {
		return err
	}
	grace := c.Timeouts.Drain
	if grace == 0 {
		grace = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return errors.Join(from.endSockets(ctx), s.Shutdown(ctx))
}

func sayHello(channel *handoff.Conn, c WorkerConfiguration) error {
	h := hello{Files: process.OpenFilesLimit()}
	if c.Build != "" { // the server asks
		h.Build = build()
	}
	says, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := channel.Send(&handoff.Frame{Kind: handoff.Hello, Body: says}, nil); err != nil {
		return fmt.Errorf("say hello: %w", err)
	}
	return nil
}

// parent is a worker's transport: what its server hands over.
type parent struct {
	channel       *handoff.Conn
	class         *HandlerClass
	configuration WorkerConfiguration

	mu       sync.Mutex
	requests map[uint64]*Request    // under way
	sockets  map[uint64]*BaseServer // that are served here
}

func (*parent) Network() string             { return "" }
func (*parent) Open() error                 { return nil }
func (*parent) Addr() net.Addr              { return nil }
func (*parent) SetDeadline(time.Time) error { return nil }

// Close does nothing: outcomes are still to be sent. The process's end closes the channel.
func (*parent) Close() error { return nil }

func (t *parent) GetRequest() (*Request, error) {
	for {
		var r *Request
		err := t.channel.ReceiveSocket(func(f handoff.Frame, socket *handoff.Descriptor, lost bool) (err error) {
			switch f.Kind {
			case handoff.Stream, handoff.Datagram:
				r, err = t.receive(&f, socket, lost)
			case handoff.Listen:
				err = t.serveSocket(&f, socket, lost)
			case handoff.Cancel:
				t.cancel(f.ID)
			default:
				err = fmt.Errorf("frame of kind %d", f.Kind)
			}
			return err
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

// receive makes the request of a frame. One that can not be made has its outcome told
// at once; r is then nil.
func (t *parent) receive(f *handoff.Frame, socket *handoff.Descriptor, lost bool) (r *Request, err error) {
	client, local := parseAddr(f.Network, f.Client), parseAddr(f.Network, f.Local)
	var answer []byte
	if f.Kind == handoff.Datagram {
		r = NewDatagramRequest(f.Network, f.Body, client, local, func(p []byte) error {
			answer = append(answer, p...) // sent with the outcome
			return nil
		})
	} else {
		if err := checkSocket(socket, lost); err != nil {
			return nil, t.send(&handoff.Frame{Kind: handoff.Outcome, ID: f.ID, Status: handoff.Failed, Text: err.Error()})
		}
		// The client may have left, and the system then does not know its address any more.
		r = NewStreamRequest(f.Network, &bareConn{socket: socket, local: local, remote: client, options: socketOptions{
			nagle: f.Flags&handoff.Nagle != 0, keepAlive: time.Duration(f.KeepAlive) * time.Millisecond,
		}})
		r.readBuffer, r.writeBuffer = int(f.ReadBuffer), int(f.WriteBuffer)
	}
	nowait.Monitor()
	id, last := f.ID, f.Flags&handoff.Last != 0
	if f.Flags&handoff.Tell != 0 {
		if err := t.send(&handoff.Frame{Kind: handoff.Taken, ID: id}); err != nil {
			_ = r.conn.Close() // the server hands it to another one
			return nil, err
		}
	}
	t.mu.Lock()
	t.requests[id] = r
	t.mu.Unlock()
	r.done = func(r *Request, err error) {
		t.mu.Lock()
		delete(t.requests, id)
		t.mu.Unlock()
		f := outcomeFrame(id, r, err)
		f.Body = answer
		_ = t.send(f) // where the server has gone there is nobody to tell
		if last {
			t.exit()
		}
	}
	return r, nil
}

// exit ends the process after its last request. The way through the loop and Shutdown
// would cost a child that serves one request a tenth of its life.
func (t *parent) exit() {
	status := 0
	if t.class.Close != nil && t.class.Close() != nil {
		status = 1
	}
	os.Exit(status)
}

// checkSocket says whether the descriptor of a frame has arrived.
func checkSocket(socket *handoff.Descriptor, lost bool) error {
	if lost {
		return errors.New("the socket was lost: the worker is out of descriptors; raise the limit (ulimit -n)")
	}
	if socket == nil {
		return errors.New("the descriptor is missing")
	}
	return nil
}

func (t *parent) send(f *handoff.Frame) error { return t.channel.Send(f, nil) }

func (t *parent) cancel(id uint64) {
	nowait.Monitor() // what the handler does from here on begins without a request
	t.mu.Lock()
	r, s := t.requests[id], t.sockets[id]
	t.mu.Unlock()
	if r != nil {
		r.cancelContext()
	}
	if s != nil {
		stopSocket(s)
	}
}

func outcomeFrame(id uint64, r *Request, err error) *handoff.Frame {
	f := &handoff.Frame{Kind: handoff.Outcome, ID: id}
	if r.stopRequested() {
		f.Flags |= handoff.Stop
	}
	var panicked *PanicError
	switch {
	case err == nil || isEnd(err):
		return f
	case errors.As(err, &panicked):
		f.Status, f.Text = handoff.Panicked, fmt.Sprintf("%v\n%s", panicked.Value, panicked.Stack)
		return f
	case errors.Is(err, ErrPeerGone):
		f.Status = handoff.PeerGone
	case routine(err):
		f.Status = handoff.TimedOut
	default:
		f.Status = handoff.Failed
	}
	f.Text = err.Error()
	return f
}

// parseAddr is the inverse of net.Addr.String.
func parseAddr(network, text string) net.Addr {
	switch network {
	case "tcp", "udp":
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return &net.UnixAddr{Net: network, Name: text}
		}
		if network == "udp" {
			return net.UDPAddrFromAddrPort(at)
		}
		return net.TCPAddrFromAddrPort(at)
	}
	return &net.UnixAddr{Net: network, Name: text}
}
