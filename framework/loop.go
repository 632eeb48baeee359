package framework

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/life"
)

// Serve serves the connections of l, which the server closes, as ServeForever does: l becomes
// its Transport. The server must not have one.
func (s *BaseServer) Serve(l net.Listener) error {
	if s.Transport != nil {
		return errors.New("framework: the server has a transport; call ServeForever")
	}
	s.Transport = Listener(l.Addr().Network(), l)
	return s.ServeForever()
}

// ServeForever serves until the server is stopped or retired and then returns ErrServerClosed. Any
// other error means that it could not start, or that its transport failed for good.
func (s *BaseServer) ServeForever() error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	actions := life.NewPeriodic(500*time.Millisecond, s.ServiceActions) // socketserver's poll_interval
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

// HandleRequest serves one request. If none comes within Timeout it calls HandleTimeout.
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
		defer func() { _ = s.Transport.SetDeadline(time.Time{}) }() // a later ServeForever would spin
	}
	switch r, err := s.getRequest(); {
	case err == nil:
		s.admit(r)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case s.HandleTimeout != nil:
		s.HandleTimeout()
	}
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

// getRequest returns the transport's next request. Only a closed transport and, for
// HandleRequest, a deadline end the wait; other errors are retried with back-off. A server
// that retires serves what the transport has returned already.
func (s *BaseServer) getRequest() (*Request, error) {
	for {
		var r *Request
		err := s.room()
		if err == nil {
			r, err = s.Transport.GetRequest()
		}
		switch {
		case err == nil && !s.isStopped():
			s.accept.Reset()
			r.server, r.Server = s, s.Name
			if r.layers == nil {
				r.layers = s.Layers
			}
			return r, nil
		case err == nil: // it came too late
			s.CloseRequest(r)
			s.ended(r, false)
			return nil, ErrServerClosed
		case life.Closed(s.life.Retired()):
			return nil, ErrServerClosed
		case errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
		s.traceAcceptFailed(err)
		select {
		case <-time.After(s.accept.Report(s.log(), err)):
		case <-s.life.Retired():
		}
	}
}

// processRequest verifies r, whose addresses do not change any more, and passes it to the strategy, which owns it
// then. err is that of its preamble.
func (s *BaseServer) processRequest(r *Request, err error) {
	s.traceAccepted(r)
	if err != nil {
		s.refusePreamble(r, err)
		return
	}
	if !s.verify(r) {
		s.refuse(r, RefusedVerify)
		return
	}
	if why := s.Limits.admit(s, r); why != "" {
		s.refuse(r, why)
		return
	}
	s.life.Count()
	if r.conn != nil { // a datagram has nothing to be closed
		s.life.Remember(r)
	}
	if err := s.strategy.ProcessRequest(s, r); err != nil {
		s.notTaken(r, err)
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
