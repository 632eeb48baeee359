package framework

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A Worker is the server's side of a process that finishes requests, which calls [ServeChannel].
type Worker struct {
	process *worker.Process
	server  atomic.Pointer[BaseServer] // the last one that had a request for it
}

// NewWorker returns the Worker of a process that was started with the other end of a pair of
// SOCK_SEQPACKET sockets as descriptor 3. It owns descriptor. end is called once, when the
// process has closed its end: it must make sure that the process goes, wait for it, and return
// why it went. kill ends the process at once; it may be called at any time.
func NewWorker(descriptor, pid int, log hclog.Logger, end func() error, kill func()) (*Worker, error) {
	channel, err := handoff.FromDescriptor(descriptor)
	if err != nil {
		return nil, err
	}
	w := new(Worker)
	w.process = worker.NewProcess(channel, pid, log, end, kill, w.stopServer, callsOf(w.server.Load))
	return w, nil
}

// stopServer stops the server that uses the process, which asks for that.
func (w *Worker) stopServer() {
	if s := w.server.Load(); s != nil {
		s.stopServer()
	}
}

// WorkerHello is what a process in worker mode says of itself.
type WorkerHello struct {
	Networks []string // transports that it serves; nil: all
	Stateful string   // what it keeps in memory between requests; empty: nothing
	State    bool     // it uses the server's state
	Options  []Option // nil: it does not say
	Forks    bool     // it has a process of its own for each request
	Ping     bool     // it can be asked whether it is alive
}

// Configure tells a process in worker mode what to be, and waits for its hello. Why it does not serve
// is the error: [OptionError]s, joined, as far as it is options.
func (w *Worker) Configure(c WorkerConfiguration, timeout time.Duration) (*WorkerHello, error) {
	as, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("configure: %w", err)
	}
	w.process.Configure(as)
	if err := w.Ready(timeout); err != nil {
		return nil, err
	}
	said := w.process.Hello()
	hello := &WorkerHello{Networks: said.Networks, Stateful: said.Stateful, State: said.State, Forks: said.Forks, Ping: said.Ping}
	if said.Options != nil { // where the list is empty it has none
		hello.Options = []Option{}
	}
	for _, o := range said.Options {
		hello.Options = append(hello.Options, Option(o))
	}
	var problems []error
	for _, p := range said.Problems {
		if p.Option == "" {
			problems = append(problems, errors.New(text.Line(p.Problem)))
			continue
		}
		problems = append(problems, &OptionError{Option: text.Line(p.Option), Problem: text.Line(p.Problem)})
	}
	return hello, errors.Join(problems...)
}

// Ping waits until the process answers, which it does if its hello says so. One call at a time.
func (w *Worker) Ping(ctx context.Context) error { return w.process.Ping(ctx) }

// Ready waits until the process has said what it is.
func (w *Worker) Ready(timeout time.Duration) error { return w.process.Ready(timeout) }

// UsesState reports whether the process, which is Ready, uses the server's state.
func (w *Worker) UsesState() bool { return w.process.Hello().State }

// Gone is closed when the process has ended.
func (w *Worker) Gone() <-chan struct{} { return w.process.Gone() }

// Close tells the process that there are no more requests; it ends when it is done.
func (w *Worker) Close() { w.process.Close() }

// Disconnect reads no more of what the process sends, as if it had ended.
func (w *Worker) Disconnect() { w.process.Disconnect() }

// InWorker returns an Executor that hands requests to a process. next returns the process,
// and waits while that is being started again, until ctx is done. Where it returns an error the
// client gets the text of an [UnavailableError], or else the banner of the limits. One that has gone, see
// [Worker.Gone], must not be returned.
//
// A connection stays open here until the process has it: where the process goes before that,
// the next one gets the connection, and a process that dies costs only what it had taken.
func InWorker(next func(ctx context.Context) (*Worker, error)) Executor { return workerExecutor(next) }

// An UnavailableError is why no process can serve a request of [InWorker] or [BaseServer.FinishElsewhere].
type UnavailableError struct {
	Text string // sent to the client of a connection; empty: the banner is
	Err  error
}

func (e *UnavailableError) Error() string { return e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

type workerExecutor func(ctx context.Context) (*Worker, error)

func (next workerExecutor) Execute(r *Request) error {
	s := r.server
	return s.handOver(r, true, func(t *worker.Task) error {
		return worker.Offer(t, func() (*worker.Process, error) {
			w, err := next(s.context())
			if err == nil {
				w.server.Store(s)
				return w.process, nil
			}
			s.sayUnavailable(r, err)
			return nil, err
		})
	})
}

// sayUnavailable sends the client of r the text of an [UnavailableError], or the banner.
func (s *BaseServer) sayUnavailable(r *Request, err error) {
	var unavailable *UnavailableError
	switch {
	case s.isStopped():
	case errors.As(err, &unavailable) && unavailable.Text != "":
		r.say(unavailable.Text, time.Second)
	default:
		s.Limits.sendBanner(r)
	}
}

// finishIn has a process finish r: do hands a task over and waits until it is over.
func (s *BaseServer) finishIn(r *Request, do func(*worker.Task) error) {
	s.finishBy(r, func() error { return s.handOver(r, false, do) })
}

// handOver makes a task of r and has do perform it. With keep the connection stays open here until
// the process has it, so that do can give it to another one.
func (s *BaseServer) handOver(r *Request, keep bool, do func(*worker.Task) error) error {
	t := s.newTask(r)
	if r.conn == nil {
		return do(&t)
	}
	if r.TLS != nil {
		t.Frame.Body, _ = json.Marshal(r.TLS) // of plain values
	}
	if t.Socket = r.Socket(); t.Socket == nil {
		return t.Relay(r.conn, s.timeouts().Write, do)
	}
	t.WantAck = keep
	t.Acked = func() { s.CloseRequest(r) } // ours only; shutdown(2) would act on what the process has
	return do(&t)
}

func (s *BaseServer) newTask(r *Request) worker.Task {
	t := worker.Task{
		Frame: handoff.Frame{
			Kind: handoff.Datagram, Flags: s.counted(),
			Network: r.Network, Client: r.client(), Local: conn.AddressText(r.LocalAddress),
		},
		Stop:     s.Done(),
		Killable: r.Started,
		Conclude: r.concludeTask,
	}
	f := &t.Frame
	if r.conn == nil {
		f.Body = r.packet.Data()
		return t
	}
	f.Kind = handoff.Stream
	f.ReadBuffer, f.WriteBuffer = int32(s.readBuffer), int32(s.WriteBuffer)
	r.options.Describe(f)
	return t
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
	r.Moved(f.In, f.Out)
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
	Local []netip.AddrPort `json:"local,omitempty"` // the server's UDP sockets, which are not answered
}

// socketTask has workers serve the socket of s.
func (s *BaseServer) socketTask(socket syscall.Conn) (worker.Task, error) {
	o := sharedSocket{Network: s.Transport.Network(), ReadBuffer: s.ReadBuffer, WriteBuffer: s.WriteBuffer}
	if t, ok := s.Transport.(shareable); ok {
		d := t.Describe()
		o.SocketOptions, o.Packets, o.Local = SocketOptions(d.Options), d.Packets, d.Local
	}
	body, err := json.Marshal(o)
	return worker.Task{
		Frame: handoff.Frame{Kind: handoff.Listen, Flags: s.counted(), Body: body}, Socket: socket,
		Stop: s.Done(), Retire: s.life.Retired(), Conclude: errorOf, Event: s.socketEvent, Gone: s.workerGone,
	}, err
}

// socketEvent acts on what a worker says of a shared socket and its requests.
func (s *BaseServer) socketEvent(pid int, f *handoff.Frame) {
	switch {
	case f.Kind == handoff.Quit:
		s.stopServer()
		return
	case s.Trace == nil:
		return
	}
	of := reported{pid, f.Request}
	switch f.Flags {
	case handoff.Started:
		r := s.reportedRequest(f)
		s.reported.Store(of, r)
		s.traceStarted(r, InWorkers, pid)
	case handoff.Refused:
		s.traceRefused(s.reportedRequest(f), Refusal(f.Text))
	case handoff.Ended:
		s.endReported(of, Outcome{Err: errorOf(f), Duration: time.Duration(f.Duration), In: f.In, Out: f.Out})
	}
}

// reported names a request that a worker reports: by its process, and its number there.
type reported struct {
	pid    int
	number uint64
}

// reportedRequest makes a request that a worker has accepted.
func (s *BaseServer) reportedRequest(f *handoff.Frame) *Request {
	r := &Request{
		ClientAddress: conn.ParseAddress(f.Network, f.Client), LocalAddress: conn.ParseAddress(f.Network, f.Local),
		Network: f.Network, Server: s.Name, server: s,
	}
	s.beginTrace(r)
	s.traceAccepted(r)
	return r
}

// endReported traces the end of a request that a worker has reported.
func (s *BaseServer) endReported(of reported, o Outcome) {
	r, ok := s.reported.LoadAndDelete(of)
	if ok && s.Trace.Ended != nil {
		o.Started, o.Cut, o.Pid = true, s.isCut(), of.pid
		s.Trace.Ended(r.(*Request), o)
	}
}

// workerGone ends the requests that a worker cannot report the ends of, as it has gone.
func (s *BaseServer) workerGone(pid int, err error) {
	s.reported.Range(func(key, r any) bool {
		if of := key.(reported); of.pid == pid {
			s.endReported(of, Outcome{Err: err, Duration: time.Duration(conn.Now() - r.(*Request).traced.began)})
		}
		return true
	})
}

// errorOf returns the handler's error of an outcome.
func errorOf(f *handoff.Frame) error {
	err := worker.ErrorOf(f)
	if panicked := (*worker.Panic)(nil); errors.As(err, &panicked) {
		return (*PanicError)(panicked)
	}
	return err
}
