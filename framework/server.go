package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/report"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// BaseServer gets requests from a transport and has a strategy run them. Its fields
// are set before the first call of a method and not changed afterwards; all but
// Transport and Class may be left zero. [NewTCPServer] and its sisters make one with
// its transport.
//
// A server serves once: after Stop, Retire, Shutdown or Close it does not serve again.
type BaseServer struct {
	Name      string        // for the log and for handlers
	Transport Transport     // where requests come from
	Strategy  Strategy      // where they run; nil: Synchronous
	Class     *HandlerClass // what they do
	Log       hclog.Logger  // nil: hclog.Default()

	Timeouts Timeouts // of each request
	Limits   *Limits  // may be shared by several servers; nil: none

	// ReadBuffer is the size of rfile's buffer, in bytes; 0 means 4096, at least 16.
	ReadBuffer int
	// WriteBuffer is the size of wfile's buffer, in bytes; 0 means the class's own,
	// less than 0 unbuffered.
	WriteBuffer int

	// MaxLine bounds a line that ReadString, ReadBytes, ReadSlice and ReadLine of rfile read, in
	// bytes; 0 means 65536, less than 0 that nothing does. They return [ErrLineTooLong] for a
	// longer one; the bound is rounded up to whole buffers of rfile. Other reads are not bounded,
	// unless they Peek into whole buffers again and again.
	MaxLine int

	// Timeout bounds HandleRequest; 0 means none. ServeForever does not look at it.
	Timeout time.Duration

	// Preamble reads what precedes the request on its connection, such as a PROXY header,
	// and may change the addresses of r. It must not read a byte more. It runs in a goroutine
	// of its own before limits are applied, within Timeouts.Handshake; at most 1024
	// connections wait for it, 64 from one source. On an error r is closed.
	Preamble func(ctx context.Context, r *Request) error
	// Layers are what connections pass before a handler sees them, outermost first, within
	// Timeouts.Handshake.
	Layers []Layer

	// VerifyRequest reports whether a request is to be served; nil: every one is. It runs
	// in the loop, so it must not wait for the client. Calls do not overlap. A panic refuses
	// the request.
	VerifyRequest func(*Request) bool
	// ServiceActions is called by ServeForever after every request that it has passed
	// on and every half second. Calls do not overlap.
	ServiceActions func()
	// HandleError is called with the error that ended a request, in whatever goroutine the
	// request ran; nil: it is logged. Errors of another process arrive as text.
	HandleError func(*Request, error)
	// HandleTimeout is called by HandleRequest when no request came within Timeout.
	HandleTimeout func()
	// OnStop is what [Request.StopServer] calls; nil: Stop. It must not wait.
	OnStop func()
	// Trace is called with what happens to requests; nil: nothing is reported.
	Trace *Trace

	state
}

// state is what a server keeps while it lives.
type state struct {
	life      life.Life[*Request]
	strategy  Strategy
	shared    bool        // workers serve the socket
	killsLate bool        // in a child: its server kills it when its request takes too long
	killed    atomic.Bool // workers were ended before they were done

	opening     sync.Mutex // held by Listen
	verifying   sync.Mutex
	leaving     chan struct{} // holds one for each client that is being turned away
	antechamber slots.Sources
	accept      socket.Backoff
	reporter    report.Reporter
}

const (
	maxLeaving        = 64   // clients that are being turned away
	defaultReadBuffer = 4096 // bytes
	defaultMaxLine    = 64 << 10
)

// serviceInterval is how often ServiceActions is called at least: socketserver's poll_interval.
const serviceInterval = 500 * time.Millisecond

func (s *BaseServer) initialise() {
	s.life.Init((*Request).kill, func() {
		s.leaving = make(chan struct{}, maxLeaving)
		s.strategy = s.Strategy
		if s.strategy == nil {
			s.strategy = &Synchronous{}
		}
	})
}

func (s *BaseServer) context() context.Context { s.initialise(); return s.life.Context() }

// Done is closed when the server has been told to stop.
func (s *BaseServer) Done() <-chan struct{} { s.initialise(); return s.life.Stopped() }

func (s *BaseServer) log() hclog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return hclog.Default()
}

// Listen opens the transport, so that clients can connect from here on: server_bind
// and server_activate of socketserver. ServeForever and HandleRequest call it where
// it has not been called. On an error nothing stays open.
func (s *BaseServer) Listen() error {
	s.initialise()
	s.opening.Lock()
	defer s.opening.Unlock()
	if life.Closed(s.life.Retired()) {
		return ErrServerClosed
	}
	if s.life.IsOpen() {
		return nil
	}
	if s.Transport == nil {
		return errors.New("framework: the server has no transport; make it with NewTCPServer or set Transport")
	}
	if err := s.Class.check(s.Transport); err != nil {
		return err
	}
	if t, ok := s.Transport.(interface{ servedBy(*BaseServer) }); ok {
		t.servedBy(s)
	}
	if s.Class.Quiet && s.Timeouts.IdleIsDefault {
		s.Timeouts.Idle = 0
	}
	// Opening may take a while, which Stop does not wait for.
	if err := s.strategy.Open(s); err != nil {
		return err
	}
	if err := s.Transport.Open(); err != nil {
		s.strategy.Close(s)
		return err
	}
	err := s.Class.users.Acquire(s.openClass)
	if err != nil {
		err = fmt.Errorf("open handler class: %w", err)
	} else if !s.life.Open(func() { _ = s.Transport.Close() }) {
		err = errors.Join(ErrServerClosed, s.Class.users.Release(s.Class.Close))
	}
	if err != nil {
		_ = s.Transport.Close()
		s.strategy.Close(s)
		return err
	}
	if err := s.shareSocket(); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// openClass opens the class where its handlers run in this process.
func (s *BaseServer) openClass() error {
	if s.strategy.Place() == InWorkers || s.Class.Open == nil {
		return nil
	}
	return s.Class.Open(s.Name, s.log())
}

// shareSocket has the strategy share the socket with its workers, where there are a strategy
// that does so and a socket that can be shared.
func (s *BaseServer) shareSocket() error {
	sharer, ok := s.strategy.(SocketSharer)
	if !ok || len(s.Layers) > 0 {
		return nil
	}
	t, ok := s.Transport.(shareable)
	if !ok {
		return nil
	}
	shared, ok, err := t.Share()
	if errors.Is(err, net.ErrClosed) { // it was stopped meanwhile
		err = ErrServerClosed
	}
	if err != nil || !ok {
		return err
	}
	s.shared = true
	return sharer.ShareSocket(s, shared)
}

// Addr returns the address of the transport, with the real port; nil if it is not open.
func (s *BaseServer) Addr() net.Addr { return s.Transport.Addr() }

// Serve serves the connections of l, which the server closes, as ServeForever does: l becomes
// its Transport. The server must not have one.
func (s *BaseServer) Serve(l net.Listener) error {
	if s.Transport != nil {
		return errors.New("framework: the server has a transport; call ServeForever")
	}
	s.Transport = Listener(l.Addr().Network(), l)
	return s.ServeForever()
}

// ServeForever serves until the server is stopped or retired and then returns
// ErrServerClosed. Any other error means that it could not start, or that its transport failed
// for good.
func (s *BaseServer) ServeForever() error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	actions := life.NewPeriodic(serviceInterval, s.ServiceActions)
	defer actions.Stop()
	if s.shared {
		<-s.life.Retired()
		return ErrServerClosed
	}
	for {
		s.Limits.awaitRoom(s)
		r, err := s.getRequest()
		if err != nil {
			return err
		}
		s.admit(r)
		actions.Do()
	}
}

// HandleRequest serves one request, waiting for it for at most Timeout, after which
// it calls HandleTimeout and returns nil.
func (s *BaseServer) HandleRequest() error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if s.shared {
		return errors.New("framework: under Preforking requests come to the workers; call ServeForever")
	}
	if s.Timeout > 0 {
		if err := s.Transport.SetDeadline(time.Now().Add(s.Timeout)); err != nil {
			if s.isStopped() {
				return ErrServerClosed
			}
			return fmt.Errorf("set timeout: %w", err)
		}
		// A deadline left behind would make a later ServeForever spin.
		defer func() { _ = s.Transport.SetDeadline(time.Time{}) }()
	}
	r, err := s.getRequest()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if s.HandleTimeout != nil {
			s.HandleTimeout()
		}
		return nil
	}
	if err != nil {
		return err
	}
	s.admit(r)
	return nil
}

// enter begins a loop; only one runs at a time.
func (s *BaseServer) enter() (leave func(), err error) {
	if err := s.Listen(); err != nil {
		return nil, err
	}
	leave, retired := s.life.Loop()
	switch {
	case retired:
		return nil, ErrServerClosed
	case leave == nil:
		return nil, errors.New("framework: the server is serving already")
	}
	return leave, nil
}

func (s *BaseServer) readBuffer() int {
	if s.ReadBuffer == 0 {
		return defaultReadBuffer
	}
	return s.ReadBuffer
}

// maxLine is MaxLine, or 0 where there is none.
func (s *BaseServer) maxLine() int {
	if s.MaxLine == 0 {
		return defaultMaxLine
	}
	return max(s.MaxLine, 0)
}

// getRequest returns the transport's next request. Only a closed transport and, for
// HandleRequest, a deadline end the wait; other errors are retried with back-off. A server
// that retires serves what the transport has returned already.
func (s *BaseServer) getRequest() (*Request, error) {
	for {
		r, err := s.Transport.GetRequest()
		switch {
		case err == nil && !s.isStopped():
			s.accept.Reset()
			r.server, r.Server = s, s.Name
			return r, nil
		case err == nil: // it came too late
			s.CloseRequest(r)
			r.end(s)
			return nil, ErrServerClosed
		case life.Closed(s.life.Retired()):
			return nil, ErrServerClosed
		case errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
		select {
		case <-time.After(s.accept.Report(s.log(), err)):
		case <-s.life.Retired():
		}
	}
}

// admit passes r on, by way of the antechamber where it has a preamble.
func (s *BaseServer) admit(r *Request) {
	s.traceAccepted(r)
	if !s.awaitPreamble(r) {
		s.processRequest(r)
	}
}

// processRequest verifies r and passes it to the strategy, which owns it then.
func (s *BaseServer) processRequest(r *Request) {
	if !s.verify(r) {
		s.traceRefused(r, RefusedVerify)
		s.turnAway(r)
		return
	}
	if !s.Limits.admit(s, r) {
		s.turnAway(r)
		return
	}
	s.track(r)
	if err := s.strategy.ProcessRequest(s, r); err != nil {
		s.conclude(r, func() error { return err })
	}
}

func (s *BaseServer) verify(r *Request) (ok bool) {
	if s.VerifyRequest == nil {
		return true
	}
	s.verifying.Lock()
	defer s.verifying.Unlock()
	err := protect(func() error { ok = s.VerifyRequest(r); return nil })
	if err != nil {
		s.report(r, fmt.Errorf("verify request: %w", err))
	}
	return ok && err == nil
}
