package framework

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// antechamber is where connections are between accept and the limits while their preamble is
// read, one goroutine each, so that a silent client holds up nobody else.
type antechamber struct {
	mu      sync.Mutex
	waiting int
	peers   map[netip.Prefix]int
}

const (
	maxAntechamber        = 1024 // connections
	maxAntechamberPerPeer = 64   // of one IPv4 address or /64 of IPv6
	defaultPreamble       = 5 * time.Second
)

// enter reports whether there is room for a connection from peer.
func (a *antechamber) enter(peer netip.Prefix) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting >= maxAntechamber || peer.IsValid() && a.peers[peer] >= maxAntechamberPerPeer {
		return false
	}
	if a.peers == nil {
		a.peers = map[netip.Prefix]int{}
	}
	a.waiting++
	a.peers[peer]++
	return true
}

func (a *antechamber) leave(peer netip.Prefix) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting--
	if a.peers[peer]--; a.peers[peer] == 0 {
		delete(a.peers, peer)
	}
}

// awaitPreamble has the preamble of r read beside the loop, and r processed then. It reports
// whether it has taken r; else there is nothing to read.
func (s *BaseServer) awaitPreamble(r *Request) bool {
	if s.Preamble == nil || r.conn == nil {
		return false
	}
	peer := sourceOf(r.ClientAddress)
	if !s.antechamber.enter(peer) {
		if more, ok := s.failures.Allow(maxFailures); ok {
			r.Log().Warn("client refused: too many connections wait for their preamble", ratelog.More(more)...)
		}
		s.traceRefused(r, RefusedPreamble)
		s.turnAway(r)
		return true
	}
	s.requests.Add(1)
	s.remember(r)
	go func() {
		defer s.requests.Done()
		err := s.readPreamble(r)
		s.antechamber.leave(peer)
		s.forget(r)
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
	ctx, stop := s.handshake(r, timeout)
	defer stop()
	if err := protect(func() error { return s.Preamble(ctx, r) }); err != nil {
		return s.handshakeError(ctx, err)
	}
	return nil
}

// setConn has the handler use c in place of what was accepted.
func (r *Request) setConn(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conn = c
}
