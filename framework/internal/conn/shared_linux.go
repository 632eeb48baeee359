package conn

import (
	"cmp"
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// A sharedConn is a connection whose description another process has, or has had, which may have cleared
// O_NONBLOCK and set SO_LINGER: a read, write or close of package net would then hold a thread for as long
// as the client likes, and Close would wait for that read.
type sharedConn struct {
	net.Conn
	raw syscall.RawConn
}

// Shared returns the connection to use in place of c once another process has its descriptor.
func Shared(c net.Conn) net.Conn {
	raw := rawConn(c)
	if raw == nil {
		return c
	}
	return &sharedConn{c, raw}
}

// Read implements [net.Conn].
func (c *sharedConn) Read(p []byte) (n int, err error) {
	failed := c.raw.Read(func(fd uintptr) bool {
		n, err = rawsock.Receive(fd, p)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if err = cmp.Or(failed, err); err == nil && n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements [net.Conn].
func (c *sharedConn) Write(p []byte) (n int, err error) {
	failed := c.raw.Write(func(fd uintptr) bool {
		for err = nil; n < len(p) && err == nil; {
			var sent int
			sent, err = rawsock.Send(fd, p[n:])
			n += sent
		}
		return !errors.Is(err, syscall.EAGAIN)
	})
	return n, cmp.Or(failed, err)
}

// CloseWrite is that of [net.TCPConn].
func (c *sharedConn) CloseWrite() (err error) {
	failed := c.raw.Control(func(fd uintptr) { err = shutdownWrite(fd) })
	return cmp.Or(failed, err)
}

// SyscallConn implements [syscall.Conn].
func (c *sharedConn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Close does not linger.
func (c *sharedConn) Close() error {
	_ = c.raw.Control(stopWaiting)
	return c.Conn.Close()
}

// StopLingering undoes what another process may have set for the connections of a listener, which inherit it.
func StopLingering(l syscall.Conn) {
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(stopLingering)
	}
}

// stopWaiting keeps close(2) from waiting. A connection that is to be reset, with a linger of 0, does not wait, and is
// reset.
func stopWaiting(fd uintptr) {
	if l, err := unix.GetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER); err == nil && l.Onoff != 0 && l.Linger != 0 {
		stopLingering(fd)
	}
}

func stopLingering(fd uintptr) {
	_ = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
}

// Kill closes c so that whatever uses it fails. Where the description blocks, as another process or the handler has
// cleared O_NONBLOCK, a thread may be in a read or write, which Close would wait for: shutdown(2) ends it.
func Kill(c net.Conn) {
	if raw := rawConn(c); raw != nil {
		_ = raw.Control(func(fd uintptr) {
			flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
			if flags&syscall.O_NONBLOCK == 0 {
				_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR)
			}
			stopWaiting(fd)
		})
	}
	_ = c.Close()
}
