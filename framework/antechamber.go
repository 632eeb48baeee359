package framework

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// The antechamber is where connections are between accept and the limits while their preamble
// is read, one goroutine each, so that a silent client holds up nobody else.
const (
	maxAntechamber        = 1024 // connections
	maxAntechamberPerPeer = 64   // of one source
	defaultPreamble       = 5 * time.Second
)

// awaitPreamble has the preamble of r read beside the loop, and r processed then. It reports
// whether it has taken r; else there is nothing to read.
func (s *BaseServer) awaitPreamble(r *Request) bool {
	if s.Preamble == nil || r.conn == nil {
		return false
	}
	peer := s.antechamber.Enter(r.ClientAddress, maxAntechamberPerPeer, maxAntechamber)
	if peer == nil {
		s.reporter.Refused(r.Log(), "too many connections wait for their preamble")
		s.traceRefused(r, RefusedPreamble)
		s.turnAway(r)
		return true
	}
	s.life.Enter(r)
	go func() {
		defer s.life.Leave()
		err := s.readPreamble(r)
		s.antechamber.Leave(peer)
		s.life.Forget(r)
		if err != nil {
			s.report(r, fmt.Errorf("read preamble: %w", err))
			s.traceRefused(r, RefusedPreamble)
			s.turnAway(r)
			return
		}
		s.processRequest(r)
	}()
	return true
}

func (s *BaseServer) readPreamble(r *Request) error {
	timeout := s.Timeouts.Handshake
	if timeout == 0 {
		timeout = defaultPreamble
	}
	return conn.Handshake(s.context(), r.accepted, timeout, func(ctx context.Context) error {
		return protect(func() error { return s.Preamble(ctx, r) })
	})
}

// setConn has the handler use c in place of what was accepted.
func (r *Request) setConn(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn = c
}
