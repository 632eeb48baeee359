//go:build !386 && !s390x

// Package nowait asks the system directly for what does not wait. Package syscall would tell
// the scheduler first, and where a process has just been woken that wakes the monitor thread
// of the runtime as well, which finds nothing to do: two or three of the six context switches
// of a request that a child serves, and a third of its CPU. That thread also takes the processor
// from a goroutine whose call lasts longer than its patience, 20 us, and a quarter of what a
// datagram costs is to get it back. What the thread is for it has to be woken for, see [Monitor].
package nowait

import (
	"syscall"
	"unsafe"
)

const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// Send sends what the system takes of p.
func Send(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_SENDTO, fd, p) }

// Receive receives what has arrived.
func Receive(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_RECVFROM, fd, p) }

func call(trap, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// SendMessage sends p as one message, with rights.
func SendMessage(fd uintptr, p, rights []byte) error {
	m, iov := message(p, rights)
	m.Iov = &iov
	_, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m)), flags)
	if errno != 0 {
		return errno
	}
	return nil
}

// ReceiveMessage receives one message into p, and its rights.
func ReceiveMessage(fd uintptr, p, rights []byte) (n, controlled, how int, err error) {
	m, iov := message(p, rights)
	m.Iov = &iov
	received, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m)), flags|syscall.MSG_CMSG_CLOEXEC)
	if errno != 0 {
		return 0, 0, 0, errno
	}
	return int(received), int(m.Controllen), int(m.Flags), nil
}

func message(p, rights []byte) (m syscall.Msghdr, iov syscall.Iovec) {
	iov.Base = unsafe.SliceData(p)
	iov.SetLen(len(p))
	m.Iovlen = 1
	if len(rights) > 0 {
		m.Control = unsafe.SliceData(rights)
		m.SetControllen(len(rights))
	}
	return m, iov
}

// Close closes fd, which is a socket that does not linger.
func Close(fd int) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// Monitor wakes that thread, which takes the processor from a goroutine that only computes.
func Monitor() { _, _, _ = syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0) }
