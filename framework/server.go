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

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// BaseServer gets requests from a transport and has a strategy run them. Its fields
// are set before the first call of a method and not changed afterwards; all but
// Transport and Class may be left zero. [NewTCPServer] and its sisters make one with
// its transport.
//
// A server serves once: after Stop, Shutdown or Close it does not serve again.
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

	// Timeout bounds HandleRequest; 0 means none. ServeForever does not look at it.
	Timeout time.Duration

	// VerifyRequest says whether a request is to be served; nil: every one is. It runs
	// in the loop, so it must not wait for the client. A panic refuses the request.
	VerifyRequest func(*Request) bool
	// ServiceActions is called by ServeForever after every request that it has passed
	// on and every half second. Calls do not overlap.
	ServiceActions func()
	// HandleError is told what ended a request early, in whatever goroutine the request
	// ran; nil: it is logged. Errors of another process arrive as text.
	HandleError func(*Request, error)
	// HandleTimeout is called by HandleRequest when no request came within Timeout.
	HandleTimeout func()
	// OnStop is what [Request.StopServer] calls; nil: Stop. It must not wait.
	OnStop func()

	state
}

// state is what a server keeps while it lives.
type state struct {
	setup    sync.Once
	ctx      context.Context
	cancel   context.CancelFunc
	stopped  chan struct{} // closed by Stop
	cut      chan struct{} // closed when what still runs is ended by force
	finished chan struct{} // closed when nothing of the server is left
	strategy Strategy

	opening  sync.Mutex // held by Listen
	mu       sync.Mutex
	open     bool
	loop     chan struct{}         // closed when the loop that runs now has left; nil: none runs
	active   map[*Request]struct{} // those that can be ended by force
	count    atomic.Int64          // all
	killed   atomic.Bool           // workers were ended before they were done
	requests sync.WaitGroup
	leaving  chan struct{} // holds one for each client that is being turned away
	accept   acceptErrors
	failures ratelog.Limiter
	overdue  ratelog.Limiter
}

const (
	maxLeaving        = 64   // clients that are being turned away
	defaultReadBuffer = 4096 // bytes

	maxFailures = 10 // requests that failed, logged a second
)

// serviceInterval is how often ServiceActions is called at least: socketserver's poll_interval.
const serviceInterval = 500 * time.Millisecond

func (s *BaseServer) initialise() {
	s.setup.Do(func() {
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.stopped, s.cut, s.finished = make(chan struct{}), make(chan struct{}), make(chan struct{})
		s.active = map[*Request]struct{}{}
		s.leaving = make(chan struct{}, maxLeaving)
		s.strategy = s.Strategy
		if s.strategy == nil {
			s.strategy = &Synchronous{}
		}
	})
}

func (s *BaseServer) context() context.Context { s.initialise(); return s.ctx }

// Done is closed when the server has been told to stop.
func (s *BaseServer) Done() <-chan struct{} { s.initialise(); return s.stopped }

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
	if s.isStopped() {
		return ErrServerClosed
	}
	if s.isOpen() {
		return nil
	}
	if s.Transport == nil {
		return errors.New("framework: the server has no transport; make it with NewTCPServer or set Transport")
	}
	if err := s.Class.check(s.Transport.Network()); err != nil {
		return err
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
	if err := s.opened(); err != nil {
		return err
	}
	if shares, ok := s.sharer(); ok {
		if err := shares.share(s); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return nil
}

// opened takes note that transport and strategy are open.
func (s *BaseServer) opened() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped() {
		_ = s.Transport.Close()
		s.strategy.Close(s)
		return ErrServerClosed
	}
	if err := s.Class.users.enter(s.openClass); err != nil {
		_ = s.Transport.Close()
		s.strategy.Close(s)
		return fmt.Errorf("open handler class: %w", err)
	}
	s.open = true
	return nil
}

// openClass opens the class where its handlers run in this process.
func (s *BaseServer) openClass() error {
	switch s.strategy.(type) {
	case *Forking, *Preforking:
		return nil
	}
	if s.Class.Open == nil {
		return nil
	}
	return s.Class.Open(s.Name, s.log())
}

func (s *BaseServer) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// Addr is where the server listens, with the real port; nil if it does not yet.
func (s *BaseServer) Addr() net.Addr { return s.Transport.Addr() }

// ServeForever serves until the server is stopped and then returns ErrServerClosed.
// Any other error means that it could not start, or that its transport failed for good.
func (s *BaseServer) ServeForever() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	actions := s.startServiceActions()
	defer actions.stop()
	if _, ok := s.sharer(); ok {
		<-s.stopped
		return ErrServerClosed
	}
	for {
		s.Limits.awaitRoom(s)
		r, err := s.getRequest()
		if err != nil {
			return err
		}
		s.processRequest(r)
		actions.run()
	}
}

// HandleRequest serves one request, waiting for it for at most Timeout, after which
// it calls HandleTimeout and returns nil.
func (s *BaseServer) HandleRequest() error {
	s.initialise()
	if _, ok := s.sharer(); ok {
		return errors.New("framework: under Preforking requests come to the workers; call ServeForever")
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
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
	s.processRequest(r)
	return nil
}

// enter begins a loop; only one runs at a time.
func (s *BaseServer) enter() error {
	if err := s.Listen(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopped() {
		return ErrServerClosed
	}
	if s.loop != nil {
		return errors.New("framework: the server is serving already")
	}
	s.loop = make(chan struct{})
	return nil
}

func (s *BaseServer) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.loop)
	s.loop = nil
}

func (s *BaseServer) readBuffer() int {
	if s.ReadBuffer == 0 {
		return defaultReadBuffer
	}
	return s.ReadBuffer
}

func (s *BaseServer) isStopped() bool { return isClosed(s.stopped) }

// inLoop says whether handlers run in the loop, which then must not wait for a client.
func (s *BaseServer) inLoop() bool {
	_, ok := s.strategy.(*Synchronous)
	return ok
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// getRequest returns the transport's next request. Only a transport that is closed,
// and for HandleRequest a deadline, ends the wait.
func (s *BaseServer) getRequest() (*Request, error) {
	for {
		r, err := s.Transport.GetRequest()
		switch {
		case s.isStopped():
			if err == nil { // it came too late
				s.CloseRequest(r)
				r.end(s)
			}
			return nil, ErrServerClosed
		case err == nil:
			s.accept.reset()
			return r, nil
		case errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
		select {
		case <-time.After(s.accept.report(s.log(), err)):
		case <-s.stopped:
		}
	}
}

// processRequest verifies r and passes it to the strategy, which owns it then.
func (s *BaseServer) processRequest(r *Request) {
	r.server, r.Server = s, s.Name
	if !s.verify(r) || !s.Limits.admit(s, r) {
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
	err := protect(func() error { ok = s.VerifyRequest(r); return nil })
	if err != nil {
		s.report(r, fmt.Errorf("verify request: %w", err))
	}
	return ok && err == nil
}

// users counts the servers of something that they share.
type users struct {
	mu sync.Mutex
	n  int
}

// enter calls first for the first one, which is none if that fails.
func (u *users) enter(first func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n == 0 {
		if err := first(); err != nil {
			return err
		}
	}
	u.n++
	return nil
}

// leave calls last, which may be nil, for the last one.
func (u *users) leave(last func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n--; u.n > 0 || last == nil {
		return nil
	}
	return last()
}
