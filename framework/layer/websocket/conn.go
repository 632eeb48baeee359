package websocket

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"github.com/go-socketserver/socketserver/framework"
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

	read  reader // of the goroutine that reads
	write writer

	writeBy atomic.Int64 // the deadline of writes that was set, in Unix nanoseconds; 0: none
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

// errNoClose is the end of a connection without a close frame.
var errNoClose = fmt.Errorf("%w: the connection has ended without a close frame of WebSocket", framework.ErrPeerGone)

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	at := int64(0)
	if !t.IsZero() {
		at = t.UnixNano()
	}
	c.writeBy.Store(at)
	return c.Conn.SetWriteDeadline(t)
}

// CloseWrite sends a close frame: the peer answers with its own, which is io.EOF for a read.
func (c *Conn) CloseWrite() error {
	return c.write.close(c, ws.StatusNormalClosure, "")
}

// Close implements [net.Conn]. A peer that was not told that the conversation is over is told that it
// has failed, if that takes no time. What it still sends is discarded for a moment: to close with unread bytes
// resets the connection, and it could lose what it was told.
func (c *Conn) Close() error {
	told := false
	if c.write.mu.TryLock() { // else a write blocks
		if !c.write.closed {
			_ = c.Conn.SetWriteDeadline(time.Now().Add(controlTime))
			_ = c.write.closeLocked(c, ws.StatusInternalServerError, "")
		}
		told = c.write.err == nil
		c.write.mu.Unlock()
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && told {
		select {
		case leaving <- struct{}{}:
			go c.leave(half.CloseWrite)
			return nil
		default:
		}
	}
	return c.Conn.Close()
}

const (
	leaveTime  = 500 * time.Millisecond
	leaveBytes = 256 << 10
)

// leaving bounds the connections that are closed in a moment.
var leaving = make(chan struct{}, 256)

// leave waits for the peer to close the connection, and closes it.
func (c *Conn) leave(closeWrite func() error) {
	defer func() { <-leaving }()
	_ = c.Conn.SetDeadline(time.Now().Add(leaveTime))
	if closeWrite() == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, leaveBytes)
	}
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
	if c.write.closed {
		return
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(controlTime))
	if err := c.write.frame(c, op, true, payload); err != nil {
		c.write.err = err // a part of it may have been sent
	}
	for at := int64(-1); at != c.writeBy.Load(); { // it may be set meanwhile
		at = c.writeBy.Load()
		by := time.Time{}
		if at != 0 {
			by = time.Unix(0, at)
		}
		_ = c.Conn.SetWriteDeadline(by)
	}
}

var _ interface{ CloseWrite() error } = (*Conn)(nil)

// lines is what has been written of a line that is not whole.
type lines struct {
	rest  []byte // of a line
	open  bool   // a part of the line has been sent
	timer *time.Timer
}

// A writer sends frames.
type writer struct {
	mu     sync.Mutex
	err    error // the first one of a write; nothing follows it
	closed bool  // a close frame was sent
	code   ws.StatusCode
	lines  lines
	buffer []byte
}
