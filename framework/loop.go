package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/life"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
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
		r, err := s.Transport.GetRequest()
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

// A Preamble is what precedes a request on its connection, such as a PROXY header. Its methods read that,
// and not a byte more. They may change the addresses of r, before limits are applied. On an error r is
// closed, and the refusal is that of a [RefusalError].
type Preamble interface {
	// Take reads a preamble that has arrived already. If not all of it has, Take reads nothing and returns
	// false. It runs in the loop, so it must not wait for the client.
	Take(r *Request) (taken bool, err error)
	// Read waits for the preamble. It runs in a goroutine of its own and within Timeouts.Handshake; at
	// most 1024 connections wait for it, 256 from one source, which often is a proxy.
	Read(ctx context.Context, r *Request) error
}

// The antechamber is where connections are between accept and the limits while their preamble
// is waited for, one goroutine each, so that a silent client holds up nobody else.
const (
	maxAntechamber      = 1024 // connections
	maxPreamblesPerPeer = 256  // of one source, which often is a proxy
	maxSilentPerPeer    = 64   // of one source, without a child of Forking
)

// admit passes r on, once its preamble has been read where it has one.
func (s *BaseServer) admit(r *Request) {
	s.beginTrace(r)
	if s.Preamble == nil || r.conn == nil {
		s.processRequest(r, nil)
		return
	}
	taken := false
	err := protect(func() (err error) { taken, err = s.Preamble.Take(r); return err })
	if taken || err != nil {
		s.processRequest(r, err)
		return
	}
	peer := s.antechamber.Enter(slots.KeyOf(r.ClientAddress), maxPreamblesPerPeer, maxAntechamber)
	if peer == nil {
		s.reporter.Refused(r.Log(), "too many connections wait for their preamble")
		s.traceAccepted(r)
		s.refuse(r, RefusedPreamble)
		return
	}
	s.life.Enter(r)
	go func() {
		defer s.life.Leave()
		err := s.readPreamble(r)
		s.antechamber.Leave(peer)
		s.life.Forget(r)
		s.processRequest(r, err)
	}()
}

func (s *BaseServer) readPreamble(r *Request) error {
	return conn.Handshake(s.context(), r.accepted, cmp.Or(s.timeouts().Handshake, 5*time.Second), func(ctx context.Context) error {
		return protect(func() error { return s.Preamble.Read(ctx, r) })
	})
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
		s.fail(r, err)
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
