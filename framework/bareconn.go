package framework

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/nowait"
)

// bareConn is a connection that is only its descriptor, as one process hands it to another.
// What package net makes of a descriptor takes some twenty system calls, a tenth of a short
// request, so that is made when somebody has use for it: who would have to wait, who asks
// for Conn, and who moves bytes in bulk.
type bareConn struct {
	local, remote net.Addr
	options       socketOptions // of what is made

	mu              sync.Mutex
	socket          *handoff.Descriptor
	uses            int       // of socket
	made            net.Conn  // of socket, which is closed then; nil: not yet
	unmade          error     // why it could not be made; socket is closed then
	readBy, writeBy time.Time // deadlines; zero: none
}

// wholeConn is conn as package net makes it.
func wholeConn(conn net.Conn) net.Conn {
	bare, ok := conn.(*bareConn)
	if !ok {
		return conn
	}
	if made, err := bare.whole(); err == nil {
		return made
	}
	return conn // and says why not
}

// whole is the connection as package net makes it. From here on all is its own.
func (c *bareConn) whole() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil || c.unmade != nil {
		return c.made, c.unmade
	}
	conn, err := c.socket.Conn()
	if err != nil {
		c.unmade = err
		return nil, err
	}
	c.options.apply(conn)
	_ = conn.SetReadDeadline(c.readBy)
	_ = conn.SetWriteDeadline(c.writeBy)
	c.made = conn
	return conn, nil
}

// Read takes what has arrived, and waits as a whole connection.
func (c *bareConn) Read(p []byte) (int, error) {
	n, done, err := c.now(&c.readBy, nowait.Receive, p)
	if done {
		if n == 0 && err == nil && len(p) > 0 {
			err = io.EOF
		}
		return n, err
	}
	made, err := c.whole()
	if err != nil {
		return 0, err
	}
	return made.Read(p)
}

// Write gives the system what it takes at once, and waits for the rest as a whole connection.
func (c *bareConn) Write(p []byte) (int, error) {
	n, done, err := c.now(&c.writeBy, nowait.Send, p)
	if done && (err != nil || n == len(p)) {
		return n, err
	}
	made, err := c.whole()
	if err != nil {
		return n, err
	}
	more, err := made.Write(p[n:])
	return n + more, err
}

// briefly is how often the descriptor is read or written to; what goes on longer is for a whole
// connection, under the eyes of the runtime.
const briefly = 16

// now does on the descriptor what needs no waiting. It does nothing where that is for a whole
// connection: there is one already, the system would wait, or the deadline has passed.
func (c *bareConn) now(deadline *time.Time, do func(fd uintptr, p []byte) (int, error), p []byte) (n int, done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	if c.made != nil || c.uses > briefly || !deadline.IsZero() && !time.Now().Before(*deadline) {
		return 0, false, nil
	}
	closed := c.socket.Control(func(fd uintptr) { n, err = do(fd, p) })
	switch {
	case c.unmade != nil:
		return 0, true, c.unmade
	case closed != nil:
		return 0, true, closed
	case errors.Is(err, syscall.EAGAIN):
		return 0, false, nil
	}
	return n, true, err
}

// Close closes what there is.
func (c *bareConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made.Close()
	}
	return c.socket.Close()
}

// CloseWrite is that of [net.TCPConn].
func (c *bareConn) CloseWrite() error {
	var failed error
	if err := (bareRaw{c}).Control(func(fd uintptr) { failed = shutdownWrite(fd) }); err != nil {
		return err
	}
	return failed
}

func (c *bareConn) LocalAddr() net.Addr  { return c.local }
func (c *bareConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements [net.Conn], as the next two do.
func (c *bareConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *bareConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readBy = t; c.made != nil {
		return c.made.SetReadDeadline(t)
	}
	return nil
}

func (c *bareConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeBy = t; c.made != nil {
		return c.made.SetWriteDeadline(t)
	}
	return nil
}

// SyscallConn implements [syscall.Conn].
func (c *bareConn) SyscallConn() (syscall.RawConn, error) { return bareRaw{c}, nil }

// bareRaw is the descriptor of a bareConn, before and after it has been made whole.
type bareRaw struct{ conn *bareConn }

func (r bareRaw) Control(use func(fd uintptr)) error {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	if r.conn.made == nil {
		return r.conn.socket.Control(use)
	}
	raw, err := r.conn.made.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(use)
}

func (r bareRaw) Read(use func(fd uintptr) bool) error {
	return r.wait(func(whole syscall.RawConn) error { return whole.Read(use) })
}

func (r bareRaw) Write(use func(fd uintptr) bool) error {
	return r.wait(func(whole syscall.RawConn) error { return whole.Write(use) })
}

func (r bareRaw) wait(do func(whole syscall.RawConn) error) error {
	made, err := r.conn.whole()
	if err != nil {
		return err
	}
	whole, err := made.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	return do(whole)
}
