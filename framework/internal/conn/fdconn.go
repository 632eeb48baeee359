package conn

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// fdConn is a connection that is only its descriptor, as one process hands it to another.
// Package net takes some twenty system calls to make a connection of a descriptor, a tenth
// of a short request, so that is done on demand: for a read or write that would block, for
// Request.Conn, and for bulk copies.
type fdConn struct {
	local, remote net.Addr
	options       TCPOptions

	mu              sync.Mutex
	socket          *handoff.Descriptor
	uses            int       // of socket
	made            net.Conn  // of socket, which is closed then; nil: not yet
	unmade          error     // why it could not be made; socket is closed then
	readBy, writeBy time.Time // deadlines; zero: none
}

// FromDescriptor returns a connection of a descriptor, which it owns. The addresses are
// given, as the kernel forgets the client's when the client leaves.
func FromDescriptor(socket *handoff.Descriptor, local, remote net.Addr, o TCPOptions) net.Conn {
	c := &fdConn{socket: socket, local: local, remote: remote, options: o}
	if c.isMessages() {
		c.uses = briefly // they are read by recvmsg alone
	}
	return c
}

func (c *fdConn) isMessages() bool {
	unix, ok := c.remote.(*net.UnixAddr)
	return ok && unix.Net == "unixpacket"
}

// NetConn returns conn as package net makes it.
func NetConn(conn net.Conn) net.Conn {
	fd, ok := conn.(*fdConn)
	if !ok {
		return conn
	}
	if made, err := fd.netConn(); err == nil {
		return made
	}
	return conn // every use of it returns the error
}

// netConn makes the connection of package net, which owns the descriptor from then on.
func (c *fdConn) netConn() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil || c.unmade != nil {
		return c.made, c.unmade
	}
	var conn net.Conn
	var err error
	if _, ok := c.remote.(*vsock.Addr); ok {
		conn = vsock.FileConn(c.socket.File(), c.local, c.remote)
	} else if conn, err = c.socket.Conn(); err != nil {
		c.unmade = err
		return nil, err
	}
	if c.isMessages() {
		conn = Messages(conn)
	}
	c.options.Apply(conn)
	_ = conn.SetReadDeadline(c.readBy)
	_ = conn.SetWriteDeadline(c.writeBy)
	c.made = conn
	return conn, nil
}

// Read reads what has arrived, and blocks in package net.
func (c *fdConn) Read(p []byte) (int, error) {
	n, done, err := c.now(&c.readBy, rawsock.Receive, p)
	if done {
		if n == 0 && err == nil && len(p) > 0 {
			err = io.EOF
		}
		return n, err
	}
	made, err := c.netConn()
	if err != nil {
		return 0, err
	}
	return made.Read(p)
}

// Write writes what the socket buffer takes, and blocks for the rest in package net.
func (c *fdConn) Write(p []byte) (int, error) {
	n, done, err := c.now(&c.writeBy, rawsock.Send, p)
	if done && (err != nil || n == len(p)) {
		return n, err
	}
	made, err := c.netConn()
	if err != nil {
		return n, err
	}
	more, err := made.Write(p[n:])
	return n + more, err
}

// briefly is the number of reads and writes made on the descriptor. A longer conversation is
// for package net, in view of the scheduler.
const briefly = 16

// now does on the descriptor what does not block. done is false where package net has to do
// it: it owns the connection already, the call would block, or the deadline has passed.
func (c *fdConn) now(deadline *time.Time, do func(fd uintptr, p []byte) (int, error), p []byte) (n int, done bool, err error) {
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

// Close implements [net.Conn].
func (c *fdConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made.Close()
	}
	return c.socket.Close()
}

// CloseWrite is that of [net.TCPConn].
func (c *fdConn) CloseWrite() error {
	var failed error
	if err := (fdRaw{c}).Control(func(fd uintptr) { failed = shutdownWrite(fd) }); err != nil {
		return err
	}
	return failed
}

func (c *fdConn) LocalAddr() net.Addr  { return c.local }
func (c *fdConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements [net.Conn], as the next two do.
func (c *fdConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *fdConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.readBy, t, net.Conn.SetReadDeadline)
}

func (c *fdConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writeBy, t, net.Conn.SetWriteDeadline)
}

func (c *fdConn) setDeadline(by *time.Time, t time.Time, set func(net.Conn, time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *by = t; c.made != nil {
		return set(c.made, t)
	}
	return nil
}

// SyscallConn implements [syscall.Conn].
func (c *fdConn) SyscallConn() (syscall.RawConn, error) { return fdRaw{c}, nil }

// fdRaw is the descriptor of an fdConn, whether or not package net owns it.
type fdRaw struct{ conn *fdConn }

func (r fdRaw) Control(use func(fd uintptr)) error {
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

// Read and Write are refused: they wait, which the connection of package net is for.
func (r fdRaw) Read(func(fd uintptr) bool) error  { return syscall.EOPNOTSUPP }
func (r fdRaw) Write(func(fd uintptr) bool) error { return syscall.EOPNOTSUPP }
