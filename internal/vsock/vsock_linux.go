package vsock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const flags = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK

// Check returns why there is no VSOCK here.
func Check() error {
	fd, err := unix.Socket(unix.AF_VSOCK, flags, 0)
	if err != nil {
		return errNone(err)
	}
	return unix.Close(fd)
}

func errNone(err error) error {
	return fmt.Errorf("this system has no VSOCK: %w; load the module vsock", os.NewSyscallError("socket", err))
}

// A Listener accepts connections.
type Listener struct {
	socket
	address *Addr
}

// Listen listens at an address, of which port 0 takes a free one.
func Listen(at *Addr, backlog int) (*Listener, error) {
	fd, err := unix.Socket(unix.AF_VSOCK, flags, 0)
	if err != nil {
		return nil, errNone(err)
	}
	sa := &unix.SockaddrVM{CID: at.CID, Port: at.Port}
	if at.Port == 0 {
		sa.Port = unix.VMADDR_PORT_ANY
	}
	if err = os.NewSyscallError("bind", unix.Bind(fd, sa)); err == nil {
		err = os.NewSyscallError("listen", unix.Listen(fd, backlog))
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return FileListener(os.NewFile(uintptr(fd), "vsock"))
}

// FileListener returns the listener of a descriptor, which it owns.
func FileListener(f *os.File) (*Listener, error) {
	l := &Listener{socket: socket{file: f}}
	var name unix.Sockaddr
	err := l.control(func(fd int) (err error) {
		name, err = unix.Getsockname(fd)
		return os.NewSyscallError("getsockname", err)
	})
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	l.address = addrOf(name)
	return l, nil
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return nil, l.explain(err)
	}
	var fd int
	var name unix.Sockaddr
	var failed error
	err = raw.Read(func(listener uintptr) bool {
		fd, name, failed = unix.Accept4(int(listener), flags&^unix.SOCK_STREAM)
		return !errors.Is(failed, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return nil, l.explain(err)
	case failed != nil:
		return nil, os.NewSyscallError("accept4", failed)
	}
	local, _ := unix.Getsockname(fd)
	return FileConn(os.NewFile(uintptr(fd), "vsock"), addrOf(local), addrOf(name)), nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return l.address }

// SetDeadline bounds Accept.
func (l *Listener) SetDeadline(t time.Time) error { return l.file.SetReadDeadline(t) }

// Dial connects to an address.
func Dial(ctx context.Context, to *Addr) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_VSOCK, flags, 0)
	if err != nil {
		return nil, errNone(err)
	}
	if err = unix.Connect(fd, &unix.SockaddrVM{CID: to.CID, Port: to.Port}); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	local, _ := unix.Getsockname(fd)
	c := FileConn(os.NewFile(uintptr(fd), "vsock"), addrOf(local), to)
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if err := c.connected(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// connected waits until the connection is made.
func (c *Conn) connected() error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		var code int
		if code, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); failed == nil && code != 0 {
			failed = os.NewSyscallError("connect", syscall.Errno(code))
		}
		if failed != nil {
			return true
		}
		_, err := unix.Getpeername(int(fd))
		return err == nil
	})
	return errors.Join(err, failed)
}

// A Conn is a connection.
type Conn struct {
	socket
	local, remote net.Addr
}

// FileConn returns the connection of a descriptor, which it owns.
func FileConn(f *os.File, local, remote net.Addr) *Conn {
	return &Conn{socket{file: f}, local, remote}
}

// Read implements [net.Conn], as the methods that follow do.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.file.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.explain(err)
	}
	return n, err
}

func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.file.Write(p)
	return n, c.explain(err)
}

func (c *Conn) LocalAddr() net.Addr                { return c.local }
func (c *Conn) RemoteAddr() net.Addr               { return c.remote }
func (c *Conn) SetDeadline(t time.Time) error      { return c.file.SetDeadline(t) }
func (c *Conn) SetReadDeadline(t time.Time) error  { return c.file.SetReadDeadline(t) }
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.file.SetWriteDeadline(t) }

// CloseWrite is that of [net.TCPConn].
func (c *Conn) CloseWrite() error {
	return c.control(func(fd int) error { return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR)) })
}

// socket is what a listener and a connection have.
type socket struct {
	file   *os.File
	closed atomic.Bool
}

// SyscallConn implements [syscall.Conn].
func (s *socket) SyscallConn() (syscall.RawConn, error) { return s.file.SyscallConn() }

// Close closes the descriptor; what waits for it returns [net.ErrClosed].
func (s *socket) Close() error {
	s.closed.Store(true)
	return s.explain(s.file.Close())
}

func (s *socket) control(do func(fd int) error) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return s.explain(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// explain returns an error of a file as one of package net.
func (s *socket) explain(err error) error {
	if err != nil && (errors.Is(err, os.ErrClosed) || s.closed.Load()) {
		return net.ErrClosed
	}
	return err
}

// addrOf returns the address that the system calls name.
func addrOf(name unix.Sockaddr) *Addr {
	if vm, ok := name.(*unix.SockaddrVM); ok {
		return &Addr{vm.CID, vm.Port}
	}
	return &Addr{}
}
