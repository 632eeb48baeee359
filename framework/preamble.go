package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

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

// PreambleTimeout bounds a preamble where Timeouts.Handshake is zero.
const PreambleTimeout = 5 * time.Second

// A PortablePreamble is a Preamble that workers of [Preforking] can read in place of the server, from the connections
// that they accept. They do where [RestorePreamble] is set and their class is not Foreign.
type PortablePreamble interface {
	Preamble
	// Describe returns what RestorePreamble makes an equal preamble of, as JSON. Where that takes more than 80 KiB the
	// server accepts, and reads the preamble.
	Describe() ([]byte, error)
}

// RestorePreamble makes, in a worker, the preamble of a [PortablePreamble] of its server; nil: this program has none. It is
// set before [ServeWorker], in the program of the server and in that of its workers.
var RestorePreamble func(description []byte) (Preamble, error)

// delegatePreamble has workers that run program read the preamble of s, where it is one for them.
func (s *BaseServer) delegatePreamble(program *Program) error {
	if RestorePreamble == nil || s.Class.Foreign || program.Path != "" && !program.Preambles {
		return nil
	}
	p, ok := s.Preamble.(PortablePreamble)
	if !ok {
		return nil
	}
	description, err := p.Describe()
	if err != nil {
		return err
	}
	if len(description) > maxPreambleDescription {
		s.log().Warn("the server accepts for its workers: its preamble takes too many bytes to describe", "bytes", len(description), "most", maxPreambleDescription)
		return nil
	}
	s.workerPreamble = description
	return nil
}

// maxPreambleDescription is the size in bytes of a description that goes to workers with their socket, in one frame.
const maxPreambleDescription = handoff.MaxFrame / 2

// restorePreamble is for a worker that reads the preamble of its server.
func (s *BaseServer) restorePreamble(description []byte) (err error) {
	if RestorePreamble == nil {
		return errors.New("this program does not set framework.RestorePreamble")
	}
	if s.Preamble, err = RestorePreamble(description); err != nil {
		return fmt.Errorf("restore preamble: %w", err)
	}
	return nil
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
	return conn.Handshake(s.context(), r.accepted, cmp.Or(s.timeouts().Handshake, PreambleTimeout), func(ctx context.Context) error {
		return protect(func() error { return s.Preamble.Read(ctx, r) })
	})
}
