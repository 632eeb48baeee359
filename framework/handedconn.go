package framework

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// handedConn is a connection as a worker is handed it. What package net makes of a descriptor
// takes some twenty system calls, a tenth of a short request, so that is made when somebody
// has use for it: who asks for Conn, and who moves bytes in bulk.
type handedConn struct {
	file          *os.File
	local, remote net.Addr
	options       socketOptions // of what is made

	mu              sync.Mutex
	made            net.Conn  // of the same socket; nil: not yet
	readBy, writeBy time.Time // deadlines; zero: none
}

// whole is the connection as package net makes it. From here on reads and writes are its
// own, so that its deadlines are theirs; a read that waits on the file goes over to it.
func (c *handedConn) whole() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made != nil {
		return c.made
	}
	conn, err := net.FileConn(c.file)
	if err != nil { // out of descriptors, or closed
		return c
	}
	c.options.apply(conn)
	_ = conn.SetReadDeadline(c.readBy)
	_ = conn.SetWriteDeadline(c.writeBy)
	c.made = conn
	_ = c.file.SetReadDeadline(time.Unix(1, 0))
	return conn
}

func (c *handedConn) current() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made
}

func (c *handedConn) Read(p []byte) (int, error) {
	if made := c.current(); made != nil {
		return made.Read(p)
	}
	n, err := c.file.Read(p)
	if made := c.current(); made != nil && n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return made.Read(p)
	}
	return n, closedConn(err)
}

func (c *handedConn) Write(p []byte) (int, error) {
	if made := c.current(); made != nil {
		return made.Write(p)
	}
	n, err := c.file.Write(p)
	return n, closedConn(err)
}

// closedConn is err in the words of package net.
func closedConn(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

func (c *handedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.file.Close()
	if c.made != nil {
		err = errors.Join(err, c.made.Close())
	}
	return err
}

// CloseWrite is that of [net.TCPConn].
func (c *handedConn) CloseWrite() error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = shutdownWrite(fd) }); err != nil {
		return err
	}
	return failed
}

func (c *handedConn) LocalAddr() net.Addr  { return c.local }
func (c *handedConn) RemoteAddr() net.Addr { return c.remote }

// SyscallConn implements [syscall.Conn].
func (c *handedConn) SyscallConn() (syscall.RawConn, error) { return c.file.SyscallConn() }

// SetDeadline implements [net.Conn], as the next two do.
func (c *handedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *handedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readBy = t; c.made != nil {
		return c.made.SetReadDeadline(t)
	}
	return c.file.SetReadDeadline(t)
}

func (c *handedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeBy = t; c.made != nil {
		return c.made.SetWriteDeadline(t)
	}
	return c.file.SetWriteDeadline(t)
}

// wholeConn is conn as package net makes it.
func wholeConn(conn net.Conn) net.Conn {
	if handed, ok := conn.(*handedConn); ok {
		return handed.whole()
	}
	return conn
}
