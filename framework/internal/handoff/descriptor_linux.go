package handoff

import (
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// A Descriptor is one of a socket that no poller of this process knows: what happens on
// the socket does not wake it. It can be sent, and nothing else.
type Descriptor struct {
	mu sync.Mutex
	fd int // -1: closed
}

// Duplicate makes a descriptor of the same socket, which the caller closes.
func Duplicate(c syscall.Conn) (*Descriptor, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &Descriptor{fd: -1}
	var failed error
	err = raw.Control(func(fd uintptr) {
		copied, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		if errno != 0 {
			failed = os.NewSyscallError("fcntl", errno)
			return
		}
		d.fd = int(copied)
	})
	if err == nil {
		err = failed
	}
	return d, err
}

// StreamPair returns the ends of a stream socketpair: one as a file, which takes fewer system calls than
// a connection of package net, one as a descriptor to be sent. The caller closes both.
func StreamPair() (*os.File, *Descriptor, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "relay"), &Descriptor{fd: fds[1]}, nil
}

// SyscallConn implements [syscall.Conn].
func (d *Descriptor) SyscallConn() (syscall.RawConn, error) { return d, nil }

// Control implements [syscall.RawConn].
func (d *Descriptor) Control(use func(fd uintptr)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return net.ErrClosed
	}
	use(uintptr(d.fd))
	return nil
}

// Read is refused.
func (d *Descriptor) Read(func(uintptr) bool) error { return errBare }

// Write is refused.
func (d *Descriptor) Write(func(uintptr) bool) error { return errBare }

// File makes a file of the descriptor, which it owns from here on.
func (d *Descriptor) File() *os.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	fd := d.fd
	d.fd = -1
	return os.NewFile(uintptr(fd), "socket")
}

// Conn makes a connection of the descriptor, which is closed in any case.
func (d *Descriptor) Conn() (net.Conn, error) {
	file := d.File()
	if file == nil {
		return nil, net.ErrClosed
	}
	defer file.Close()
	return net.FileConn(file)
}

// Close gives the descriptor back.
func (d *Descriptor) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd < 0 {
		return nil
	}
	fd := d.fd
	d.fd = -1
	return os.NewSyscallError("close", rawsock.Close(fd))
}

var errBare = os.NewSyscallError("poll", syscall.EOPNOTSUPP)
