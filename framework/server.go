package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/report"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
	"github.com/go-socketserver/socketserver/framework/internal/worker"
)

// BaseServer gets requests from a transport and has a strategy run them. Its fields are set before
// the first call of a method and not changed afterwards; all but Transport and Class may be left
// zero. [NewTCPServer] and its sisters make one with its transport. A server serves once: after
// Stop, Retire, Shutdown or Close it does not serve again.
type BaseServer struct {
	Name      string        // for the log and for handlers
	Transport Transport     // where requests come from
	Strategy  Strategy      // where they run; nil: Synchronous
	Class     *HandlerClass // what they do
	Log       hclog.Logger  // nil: hclog.Default()
	Timeouts  Timeouts      // of each request
	Limits    *Limits       // may be shared by several servers; nil: none
	State     State         // what handlers keep between requests; nil: in memory, as long as Class lives

	// ReadBuffer is the size of rfile's buffer, in bytes; 0 means 4096, at least 16.
	ReadBuffer int
	// WriteBuffer is that of wfile's buffer; 0 means the class's own, less than 0 unbuffered.
	WriteBuffer int
	// MaxLine bounds a line that ReadString, ReadBytes, ReadSlice and ReadLine of rfile read, in
	// bytes; 0 means 65536, less than 0 that nothing does. They return [ErrLineTooLong] for a
	// longer one; the bound is rounded up to whole buffers of rfile. It is not kept for another
	// delimiter than a newline where a client places its newlines on purpose, once in each buffer.
	// Other reads are not bounded, unless they Peek into whole buffers again and again.
	MaxLine int
	// Timeout bounds HandleRequest; 0 means none. ServeForever does not look at it.
	Timeout time.Duration

	// Preamble is what precedes the request on its connection, such as a PROXY header; nil: nothing does.
	Preamble Preamble
	// Layers are what connections pass before a handler sees them, outermost first, within
	// Timeouts.Handshake.
	Layers []Layer

	// VerifyRequest reports whether a request is to be served; nil: every one is. It runs in the
	// loop, so it must not wait for the client. Calls do not overlap. A panic refuses the request.
	VerifyRequest func(*Request) bool
	// ServiceActions is called by ServeForever after every request that it has passed on and every
	// half second. Calls do not overlap.
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
	life           life.Life[*Request]
	strategy       Strategy
	changed        atomic.Pointer[Timeouts] // by ChangeTimeouts; nil: Timeouts
	shared         bool                     // workers serve the socket
	workerLayer    *worker.Layer            // that they have connections pass, in place of Layers; nil: none
	workerPreamble []byte                   // describes what they read, in place of Preamble; nil: they do not
	takers         worker.Takers            // those of them that take requests
	reported       worker.Reports[*Request] // the requests that they have begun
	killsLate      bool                     // in a child: its server kills it when its request takes too long
	killed         atomic.Bool              // workers were ended before they were done

	readBuffer, maxLine int // the fields of that name, in bytes; maxLine is 0 where there is none

	opening     sync.Mutex // held by Listen
	verifying   sync.Mutex
	leaving     slots.Semaphore // clients that closeAside waits for, at most 64
	antechamber slots.Sources
	accept      socket.Backoff
	reporter    report.Reporter
}

func (s *BaseServer) initialise() {
	s.life.Init((*Request).kill, func() {
		if s.strategy = s.Strategy; s.strategy == nil {
			s.strategy = &Synchronous{}
		}
		s.readBuffer, s.maxLine = cmp.Or(s.ReadBuffer, 4096), max(cmp.Or(s.MaxLine, 64<<10), 0)
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

// Listen opens the transport, so that clients can connect from here on: server_bind and
// server_activate of socketserver. ServeForever and HandleRequest call it where it has not been
// called. On an error nothing stays open.
func (s *BaseServer) Listen() error {
	s.initialise()
	s.opening.Lock()
	defer s.opening.Unlock()
	switch {
	case life.Closed(s.life.Retired()):
		return ErrServerClosed
	case s.life.IsOpen():
		return nil
	case s.Transport == nil:
		return errors.New("framework: the server has no transport; make it with NewTCPServer or set Transport")
	}
	if err := s.Class.check(s.Transport); err != nil {
		return err
	}
	if t, ok := s.Transport.(interface{ servedBy(*BaseServer) }); ok {
		t.servedBy(s)
	}
	s.Timeouts = s.Timeouts.of(s.Class)
	if err := s.strategy.Open(s); err != nil { // may take a while, which Stop does not wait for
		return err
	}
	err := s.Transport.Open()
	if err == nil {
		if err = s.openClass(); err != nil {
			_ = s.Transport.Close()
		}
	}
	if err != nil {
		s.strategy.Close(s)
		return err
	}
	if err := s.shareSocket(); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// openClass opens the class where its handlers run in this process, and then the server.
func (s *BaseServer) openClass() error {
	err := s.Class.users.Acquire(func() error {
		if s.Class.Open == nil || s.strategy.Place() == InWorkers && !s.Class.Isolates {
			return nil
		}
		return s.Class.Open(s.Name, s.log())
	})
	if err != nil {
		return fmt.Errorf("open handler class: %w", err)
	}
	if !s.life.Open(func() { _ = s.Transport.Close() }) {
		return errors.Join(ErrServerClosed, s.Class.users.Release(s.Class.Close))
	}
	return nil
}

// shareSocket has the strategy share the socket with its workers, where both can be shared.
func (s *BaseServer) shareSocket() error {
	sharer, ok := s.strategy.(SocketSharer)
	if !ok || len(s.Layers) > 0 && s.workerLayer == nil || s.Preamble != nil && s.workerPreamble == nil || s.Limits != nil && s.Limits.applied().Bounds().AboutAll() {
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
func (s *BaseServer) Addr() net.Addr {
	if s.Transport == nil {
		return nil
	}
	return s.Transport.Addr()
}
