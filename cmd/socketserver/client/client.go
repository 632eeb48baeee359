// Package client talks to servers: it connects, sends its input and copies the answers to
// its output, unchanged.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"
)

// The modes of a conversation.
const (
	Duplex = "duplex" // both directions at once
	Ask    = "ask"    // a message, its answer, the next message
	Each   = "each"   // as Ask, over a new connection for each message
	Once   = "once"   // the whole input is one message
)

// The framings of messages.
const (
	Line  = "line"  // a message is sent with its newline
	Chunk = "chunk" // and without
)

// Modes and Framings are all values of [Settings.Mode] and [Settings.Framing].
var (
	Modes    = []string{Duplex, Ask, Each, Once}
	Framings = []string{Line, Chunk}
)

// Settings configure a conversation. Mode, Framing, Input and Output are required.
type Settings struct {
	Address Address
	TLS     *tls.Config // for tls only; nil: the defaults

	Mode    string
	Framing string
	CRLF    bool          // send a newline as carriage return and newline
	Timeout time.Duration // of connecting, and of each wait for an answer; 0: see [Settings.connecting] and [Settings.answering]

	Input      io.Reader
	Output     Output
	Attended   bool        // a person types Input: do not wait long for a server that ignores the end of input, unless Timeout is set
	Quit       []string    // messages after which the peer ends the conversation, in any case
	Transcript *Transcript // nil: none; the caller closes it
	OnPanic    func()      // called before a panic ends the program; may be nil
}

// Output receives the bytes from the server, unchanged. BeginLine is called before bytes that
// do not continue the previous ones: between datagrams and between chunks. An output that no
// person reads ignores it.
type Output interface {
	io.Writer
	BeginLine() error
}

// Plain is an output without separators between messages.
type Plain struct{ io.Writer }

// BeginLine implements [Output].
func (Plain) BeginLine() error { return nil }

// patience is the default timeout of connecting, and of datagrams, which may be lost.
const patience = 10 * time.Second

// connecting is the timeout for trying all addresses.
func (s *Settings) connecting() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return patience
}

// answering is the timeout of each wait for an answer; 0: none.
func (s *Settings) answering() time.Duration {
	if s.Timeout == 0 && s.Address.datagrams() {
		return patience
	}
	return s.Timeout
}

// ErrClosed is returned when the peer ends the conversation first.
var ErrClosed = errors.New("closed by the peer in mid-conversation; look at the server's log, or connect again")

// ErrEnded is the [ErrClosed] of an attended conversation that the peer ended in good order, as
// every chat ends.
var ErrEnded error = endedError{}

type endedError struct{}

func (endedError) Error() string { return "has ended the conversation" }
func (endedError) Unwrap() error { return ErrClosed }

// ErrTimeout is returned when an answer does not arrive in time.
var ErrTimeout = errors.New("no answer")

// ErrTruncated is returned when TLS was cut off.
var ErrTruncated = errors.New("TLS was cut off: the connection has ended without close_notify, and the answer may not be whole; look at the server's log")

// ConnectError is returned when there is no connection.
type ConnectError struct{ err error }

func (e *ConnectError) Error() string { return e.err.Error() }
func (e *ConnectError) Unwrap() error { return e.err }

// Run holds a conversation until the input has ended and is answered, the peer ends it, or ctx
// is done, which is no error. It returns [ErrClosed], which may be [ErrEnded], [ErrTimeout], [ErrTruncated] or
// a [*ConnectError], with the address, or an error of input or output. A Read of Input may still
// be in flight when it returns.
func Run(ctx context.Context, s Settings) error {
	err := s.run(ctx)
	if ctx.Err() != nil || err == nil {
		return nil
	}
	if errors.Is(err, ErrEnded) {
		return fmt.Errorf("%s %w", s.Address, err)
	}
	return fmt.Errorf("%s: %w", s.Address, err)
}

func (s *Settings) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages := newMessages(ctx, s)
	if s.Mode == Each {
		return s.each(ctx, messages)
	}
	c, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	return c.hold(func() error { return c.talk(messages) })
}

// spawn runs f in a goroutine that calls OnPanic before a panic ends the program.
func (s *Settings) spawn(f func()) {
	go func() {
		defer func() {
			if r := recover(); r != nil {
				if s.OnPanic != nil {
					s.OnPanic()
				}
				panic(r)
			}
		}()
		f()
	}()
}

// each sends every message over a new connection.
func (s *Settings) each(ctx context.Context, messages *messages) error {
	for {
		message, err := messages.await(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c, err := s.begin(ctx)
		if err != nil {
			return err
		}
		err = c.hold(func() error { return c.ask(message) })
		c.end()
		if err != nil {
			return err
		}
	}
}
