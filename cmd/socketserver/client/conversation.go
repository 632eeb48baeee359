package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/layer"
)

const (
	// linger is how long an answered conversation waits for more after the half-close, if the
	// server does not close the connection: an answer may arrive in parts.
	linger = 500 * time.Millisecond
	// glance is linger for an answer that ends with a newline, and so is most likely complete.
	glance = 100 * time.Millisecond
	// quiet is the pause after which a person sees the next bytes on a new line.
	quiet = 100 * time.Millisecond
	// attention is how long an attended conversation waits for last words after ^D.
	attention = 2 * time.Second
	// settling is how long after the peer's end the input may end for both to count as one.
	settling = 100 * time.Millisecond
)

// A conversation is one connection. One goroutine sends and one receives, independently.
type conversation struct {
	*Settings
	ctx  context.Context
	conn net.Conn

	sent, received atomic.Int64  // messages; reads
	answered       chan struct{} // has an element after something was received
	quit           atomic.Bool   // the last message sent asks the peer to end
	whole          atomic.Bool   // the last bytes end with a newline
	silence        atomic.Int64  // the receiver's timeout, in nanoseconds; 0: none
	passed         time.Time     // when the last bytes were written to Output
	ended          chan struct{} // closed when the receiver has ended
	err            error         // why; nil: the peer has closed. Valid after ended
}

// begin connects. The caller calls end.
func (s *Settings) begin(ctx context.Context) (*conversation, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &conversation{
		Settings: s, ctx: ctx, conn: conn,
		answered: make(chan struct{}, 1), ended: make(chan struct{}),
	}, nil
}

func (c *conversation) end() {
	_ = c.conn.Close()
	<-c.ended
	c.Transcript.ended()
}

// hold receives while talk sends, and then drains.
func (c *conversation) hold(talk func() error) error {
	talked := make(chan error, 1)
	c.spawn(c.listen)
	c.spawn(func() { talked <- talk() })
	var err error
	select {
	case err = <-talked:
	case <-c.ended:
		select {
		case err = <-talked:
		case <-time.After(settling):
			err = ErrClosed
		}
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	if err != nil {
		return c.because(err)
	}
	return c.drain()
}

// because replaces ErrClosed by the reason that the receiver has found.
func (c *conversation) because(err error) error {
	if !errors.Is(err, ErrClosed) {
		return err
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(settling)) // what has arrived is still written
	<-c.ended
	switch {
	case c.err == nil && c.quit.Load():
		return nil
	case c.err == nil && c.Attended:
		return ErrEnded
	case c.err == nil || errors.Is(c.err, os.ErrDeadlineExceeded):
		return ErrClosed
	}
	return c.err
}

// drain waits for the end of the peer or of its last answer.
func (c *conversation) drain() error {
	select {
	case <-c.ended:
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	answered := c.Mode == Ask || c.Mode == Each // or there would have been an error before
	if c.Address.datagrams() {
		answered = !c.missing()
	}
	partial := c.Framing == Line && !c.Address.datagrams() && !c.whole.Load()
	switch {
	case answered && (errors.Is(c.err, os.ErrDeadlineExceeded) || errors.Is(c.err, ErrClosed) && !partial):
		return nil
	case !errors.Is(c.err, os.ErrDeadlineExceeded):
		return c.err
	case c.hurried():
		return nil
	}
	return c.timeout()
}

// hurried reports whether a person waits without having set a timeout.
func (c *conversation) hurried() bool { return c.Attended && c.Timeout == 0 }

func (c *conversation) timeout() error {
	return fmt.Errorf("%w within %s; check the address, or wait longer with --timeout", ErrTimeout, c.answering())
}

// missing reports whether there are datagrams without an answer.
func (c *conversation) missing() bool { return c.received.Load() < c.sent.Load() }

// talk sends all messages.
func (c *conversation) talk(messages *messages) error {
	for {
		message, err := messages.await(c.ctx)
		switch {
		case errors.Is(err, io.EOF):
			return c.finish()
		case err != nil:
			return err
		case c.Mode == Ask:
			err = c.exchange(message)
		default:
			err = c.send(message)
		}
		if err != nil {
			return err
		}
	}
}

// ask sends one message and waits for the answer.
func (c *conversation) ask(message []byte) error {
	if err := c.exchange(message); err != nil {
		return err
	}
	return c.finish()
}

// exchange sends a message and waits for its answer, which is one read. The rest of the answer
// is written whenever it arrives.
func (c *conversation) exchange(message []byte) error {
	select {
	case <-c.answered:
	default:
	}
	if err := c.send(message); err != nil {
		return err
	}
	var late <-chan time.Time
	if limit := c.answering(); limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-c.answered:
		return nil
	case <-c.ended:
	case <-late:
		return c.timeout()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	select {
	case <-c.answered: // and then the end
		return nil
	default:
		return ErrClosed
	}
}

func (c *conversation) send(message []byte) error {
	c.Transcript.add('>', message)
	c.sent.Add(1)
	c.quit.Store(c.isQuit(message))
	if limit := c.answering(); limit > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(limit))
	}
	_, err := c.conn.Write(message)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.timeout()
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("a message of %d bytes is longer than a datagram can be; send shorter ones", len(message))
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	}
	if c.Address.datagrams() {
		return c.why(err)
	}
	return ErrClosed
}

// isQuit reports whether the last line of a message asks the peer to end.
func (c *conversation) isQuit(message []byte) bool {
	line := bytes.TrimSpace(message)
	line = bytes.TrimSpace(line[bytes.LastIndexByte(line, '\n')+1:])
	return slices.ContainsFunc(c.Quit, func(word string) bool { return strings.EqualFold(word, string(line)) })
}

// finish half-closes the connection and sets the receiver's timeout. It ignores errors: the
// receiver sees that the connection has ended.
func (c *conversation) finish() error {
	wait := c.answering()
	if c.hurried() {
		wait = attention
	}
	if c.Address.datagrams() {
		c.silence.Store(int64(wait)) // before missing, or the receiver may miss the last answer
		if !c.missing() {
			wait = 0
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(wait))
		return nil
	}
	if closer, ok := c.conn.(interface{ CloseWrite() error }); ok {
		_ = closer.CloseWrite()
	}
	if c.Mode == Ask || c.Mode == Each {
		wait = c.remainder()
	}
	if wait > 0 {
		c.silence.Store(int64(wait))
		_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	}
	return nil
}

// remainder is how long to wait for the rest of an answer after the half-close, if the server
// does not close the connection.
func (c *conversation) remainder() time.Duration {
	if c.whole.Load() {
		return glance
	}
	return linger
}

// listen receives until the peer ends or the timeout passes.
func (c *conversation) listen() {
	defer close(c.ended)
	for buf := make([]byte, maxMessage); ; {
		n, err := c.conn.Read(buf)
		if c.Address.Network == "tcp" && c.received.Load() == 0 && isAlert(buf[:n]) {
			c.err = &ConnectError{fmt.Errorf("could not connect: %s: it answers with an alert of TLS; write tls://, or wss:// for a WebSocket", c.conn.RemoteAddr())}
			return
		}
		if n > 0 || err == nil {
			c.received.Add(1)
			c.Transcript.add('<', buf[:n])
			if err := c.pass(buf[:n], time.Now()); err != nil {
				c.err = err
				return
			}
		}
		if err != nil {
			c.err = c.why(err)
			return
		}
		if silence := time.Duration(c.silence.Load()); silence > 0 {
			if c.Address.datagrams() && !c.missing() {
				return // datagrams have no other end
			}
			if c.Mode == Ask || c.Mode == Each {
				silence = c.remainder()
			}
			_ = c.conn.SetReadDeadline(time.Now().Add(silence))
		}
	}
}

// isAlert reports whether bytes are the record of TLS with which a server rejects what is none.
func isAlert(record []byte) bool {
	return len(record) >= 7 && bytes.HasPrefix(record, []byte{21, 3}) && record[3] == 0 && record[4] == 2
}

// pass writes the bytes of one read to Output. It counts the answer before it writes, so that
// the counter is right once the answer is visible.
//
// Some old servers send notices without a newline. For a person, text after a pause begins a
// line of its own; the parts of one line arrive faster and stay together.
func (c *conversation) pass(text []byte, now time.Time) error {
	c.whole.Store(c.Framing == Line && bytes.HasSuffix(text, []byte("\n")))
	select {
	case c.answered <- struct{}{}:
	default:
	}
	var err error
	if c.Framing == Chunk || c.Address.datagrams() || c.Attended && now.Sub(c.passed) > quiet {
		err = c.Output.BeginLine()
	}
	if err == nil {
		_, err = c.Output.Write(text)
	}
	if err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	c.passed = time.Now()
	return nil
}

// why translates the error of a read.
func (c *conversation) why(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return err
	case errors.Is(err, layer.ErrTruncated), c.Address.IsSecure() && errors.Is(err, syscall.ECONNRESET):
		return ErrTruncated
	case c.Address.datagrams() && c.received.Load() == 0:
		return &ConnectError{fmt.Errorf("could not connect: %s: %s; %s", c.conn.RemoteAddr(), reason(err), cmp.Or(c.remedy(err), absent))}
	case isRejected(err) && c.received.Load() == 0: // of TLS 1.3: this side had finished
		return &ConnectError{fmt.Errorf("could not connect: %s: %s; %s", c.conn.RemoteAddr(), reason(err), c.remedyRejected(err))}
	}
	return fmt.Errorf("%w (%s)", ErrClosed, reason(err))
}
