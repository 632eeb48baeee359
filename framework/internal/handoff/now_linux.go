//go:build !386 && !s390x

package handoff

import (
	"syscall"
	"unsafe"
)

// What does not wait is asked of the system directly. Package syscall would tell the scheduler
// first, and where a process has just been woken that wakes the monitor thread of the runtime
// as well, which finds nothing to do: two or three of the six context switches of a request,
// and a third of its CPU. What that thread is for it has to be woken for, see [Monitor].

const noWait = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// SendNow sends what the system takes of p without waiting.
func SendNow(fd uintptr, p []byte) (int, error) { return callNow(syscall.SYS_SENDTO, fd, p) }

// ReceiveNow receives what has arrived without waiting.
func ReceiveNow(fd uintptr, p []byte) (int, error) { return callNow(syscall.SYS_RECVFROM, fd, p) }

func callNow(trap, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), noWait, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// sendMessage sends p as one message, with rights.
func sendMessage(fd uintptr, p, rights []byte) error {
	m, iov := message(p, rights)
	m.Iov = &iov
	_, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m)), noWait)
	if errno != 0 {
		return errno
	}
	return nil
}

// receiveMessage receives one message into p, and its rights.
func receiveMessage(fd uintptr, p, rights []byte) (n, controlled, flags int, err error) {
	m, iov := message(p, rights)
	m.Iov = &iov
	received, _, errno := syscall.RawSyscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m)), noWait|syscall.MSG_CMSG_CLOEXEC)
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

func closeNow(fd int) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// Monitor wakes that thread, which takes the processor from a goroutine that only computes.
func Monitor() { _, _, _ = syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0) }
