package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// readBuffer is the size in bytes of what is read with a header. Longer payloads are read into the caller's memory.
const readBuffer = 1 << 10

// A Conn is a WebSocket as a stream of bytes, see [Options]. A message is not held in memory, so
// its size has no limit.
//
// A close frame is the end of what the peer sends, as the FIN of TCP is: reads return io.EOF. What is
// written until CloseWrite, which answers it, is sent; browsers do not show that to the page any more.
// Pings are answered while a read waits.
type Conn struct {
	net.Conn
	text   bool
	client bool

	reading sync.Mutex // held by Read
	read    reader
	write   writer

	writeBy atomic.Pointer[deadline] // that of writes, as it was set; nil: there was none yet
}

// A deadline is one that was set. Its time is kept whole: what the system's clock is set to does not move it.
type deadline struct {
	by     time.Time     // zero: none
	within time.Duration // how far away it was
}

// newConn returns a Conn on c, of which r has read what it holds.
func newConn(c net.Conn, r *bufio.Reader, text, client bool) *Conn {
	return &Conn{Conn: c, text: text, client: client, read: reader{from: r}}
}

// A ProtocolError is what the peer did wrong.
type ProtocolError struct {
	Code ws.StatusCode // that it was told
	What string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("websocket: %s (close code %d)", e.What, e.Code)
}

// A CloseError is the end of what a server sends to a client that it has not served in good order, with 1011 if the
// request has failed.
type CloseError struct{ Code ws.StatusCode }

func (e *CloseError) Error() string { return fmt.Sprintf("close code %d", e.Code) }

// errNoClose is the end of a connection without a close frame.
var errNoClose = fmt.Errorf("%w: the connection has ended without a close frame of WebSocket", framework.ErrPeerGone)

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	d := &deadline{by: t}
	if !t.IsZero() {
		d.within = time.Until(t)
	}
	c.writeBy.Store(d)
	return c.Conn.SetWriteDeadline(t)
}

// extendDeadline gives a write that no deadline was set for as much time as the last one had that there was one for, which
// may have passed. One that was in the past when it was set, to cut the peer off, stays.
func (c *Conn) extendDeadline() {
	d := c.writeBy.Load()
	if d == nil || d.within <= 0 {
		return
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(d.within))
	if c.writeBy.Load() != d { // it has been set meanwhile
		c.restoreDeadline()
	}
}

// restoreDeadline sets the deadline of writes again that was set by the owner of c.
func (c *Conn) restoreDeadline() {
	for again := true; again; { // it may be set meanwhile
		d, by := c.writeBy.Load(), time.Time{}
		if d != nil {
			by = d.by
		}
		_ = c.Conn.SetWriteDeadline(by)
		again = c.writeBy.Load() != d
	}
}

// CloseWrite sends a close frame: the peer answers with its own, which is io.EOF for a read.
func (c *Conn) CloseWrite() error {
	c.write.mu.Lock()
	defer c.write.mu.Unlock()
	c.extendDeadline()
	return c.write.close(c, ws.StatusNormalClosure)
}

// Fail sends a close frame that says that the request has failed, if that takes no time.
func (c *Conn) Fail() error {
	if !c.write.mu.TryLock() { // a write blocks
		return os.ErrDeadlineExceeded
	}
	defer c.write.mu.Unlock()
	if !c.write.closed.Load() {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(controlTime))
		_ = c.write.close(c, ws.StatusInternalServerError)
	}
	return c.write.err
}

// Close implements [net.Conn]. A peer that was not told that the conversation is over is told that it
// has failed, if that takes no time. What it still sends is discarded for a moment: to close with unread bytes
// resets the connection, and it could lose what it was told.
func (c *Conn) Close() error {
	if c.Fail() == nil {
		select {
		case leaving <- struct{}{}:
			go c.leave()
			return nil
		default:
		}
	}
	return c.Conn.Close()
}

// leaving bounds the connections that are closed in a moment.
var leaving = make(chan struct{}, 256)

// leave closes the connection once the peer has, or after a moment.
func (c *Conn) leave() {
	defer func() { <-leaving }()
	conn.DiscardUnread(c.Conn)
	_ = c.Conn.Close()
}

// controlTime is what a control frame may take that is sent for the reader or at the end.
const controlTime = 100 * time.Millisecond

// control sends a control frame for the reader, unless a write blocks.
func (c *Conn) control(op ws.OpCode, payload []byte) {
	if !c.write.mu.TryLock() {
		return
	}
	defer c.write.mu.Unlock()
	if c.write.closed.Load() {
		return
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(controlTime))
	if err := c.write.frame(c, op, true, payload); err != nil {
		c.write.err = err // a part of it may have been sent
	}
	c.restoreDeadline()
}

var _ interface{ CloseWrite() error } = (*Conn)(nil)
