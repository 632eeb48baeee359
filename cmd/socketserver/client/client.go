// Package client holds conversations with servers: it connects, sends what it is given
// and passes on what comes back, in the form in which it came.
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

// The framings of what is sent.
const (
	Line  = "line"  // a message is sent with its newline
	Chunk = "chunk" // and without
)

// Settings say what a conversation is like. Mode, Framing, Input and Output are required.
type Settings struct {
	Address Address
	TLS     *tls.Config // for tls only; nil: the defaults

	Mode    string
	Framing string
	CRLF    bool          // a newline is sent as carriage return and newline
	Timeout time.Duration // for connecting, and for each wait for an answer; 0: see [Settings.connecting] and [Settings.answering]

	Input      io.Reader
	Output     Output
	Attended   bool        // a person types Input, and does not wait long for a server that ignores its end, unless Timeout says so
	Quit       []string    // messages after which the peer ends the conversation, in any case
	Transcript *Transcript // nil: none; the caller closes it
	OnPanic    func()      // called before a panic of the conversation ends the program; may be nil
}

// Output takes what comes back, byte by byte as it is. BeginLine is called where the next
// bytes are not the continuation of those before: between datagrams, and between chunks.
// A reader who is no person needs no line there.
type Output interface {
	io.Writer
	BeginLine() error
}

// Plain is an output on which nothing separates one message from the next.
type Plain struct{ io.Writer }

// BeginLine implements [Output].
func (Plain) BeginLine() error { return nil }

// patience is the timeout of connecting and of datagrams, which get lost.
const patience = 10 * time.Second

// connecting bounds connecting to all addresses together.
func (s *Settings) connecting() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return patience
}

// answering bounds each wait for an answer; 0: not at all.
func (s *Settings) answering() time.Duration {
	if s.Timeout == 0 && s.Address.datagrams() {
		return patience
	}
	return s.Timeout
}

// ErrClosed is what a conversation ends with that the peer has ended first.
var ErrClosed = errors.New("closed by the peer in mid-conversation; look at the server's log, or connect again")

// ErrEnded is the [ErrClosed] of a person with whom the peer has ended in good order, as at the
// end of every chat.
var ErrEnded error = endedError{}

type endedError struct{}

func (endedError) Error() string { return "has ended the conversation" }
func (endedError) Unwrap() error { return ErrClosed }

// ErrTimeout is what a conversation ends with in which an answer did not come in time.
var ErrTimeout = errors.New("no answer")

// ConnectError is what a conversation ends with that could not begin.
type ConnectError struct{ err error }

func (e *ConnectError) Error() string { return e.err.Error() }
func (e *ConnectError) Unwrap() error { return e.err }

// Run holds a conversation until the input has ended and been answered, the peer ends it,
// or ctx is done, which is no error. It returns [ErrClosed], which may be
// [ErrEnded], [ErrTimeout] or a [*ConnectError], with the address, or what is wrong with input or output. A Read of
// Input may still be under way when it returns.
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

// spawn runs f in a goroutine, whose panic would otherwise leave no time to tidy up.
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

// each gives every message a connection of its own.
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
