package rawsock

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL

// Send sends what the system takes of p.
func Send(fd uintptr, p []byte) (int, error) { return send(fd, p, nil, 0) }

// Receive receives what has arrived.
func Receive(fd uintptr, p []byte) (int, error) { return receive(fd, p, 0, nil, nil) }

// Peek copies what has arrived and leaves it there.
func Peek(fd uintptr, p []byte) (int, error) { return receive(fd, p, syscall.MSG_PEEK, nil, nil) }

func send(fd uintptr, p []byte, to unsafe.Pointer, size uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(sysSendto, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags,
			uintptr(to), size)
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

func receive(fd uintptr, p []byte, how uintptr, from unsafe.Pointer, size *uint32) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(sysRecvfrom, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags|how,
			uintptr(from), uintptr(unsafe.Pointer(size)))
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// SendMessage sends p as one message, with rights.
func SendMessage(fd uintptr, p, rights []byte) error {
	m, iov := message(p, rights)
	m.Iov = &iov
	_, _, errno := syscall.RawSyscall(sysSendmsg, fd, uintptr(unsafe.Pointer(&m)), flags)
	if errno != 0 {
		return errno
	}
	return nil
}

// ReceiveMessage receives one message into p, and its rights.
func ReceiveMessage(fd uintptr, p, rights []byte) (n, controlled, how int, err error) {
	m, iov := message(p, rights)
	m.Iov = &iov
	n, err = receiveMessage(fd, &m)
	return n, int(m.Controllen), int(m.Flags), err
}

func receiveMessage(fd uintptr, m *syscall.Msghdr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(sysRecvmsg, fd, uintptr(unsafe.Pointer(m)), flags|syscall.MSG_CMSG_CLOEXEC)
		if errno == 0 {
			return int(n), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
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

// nap is how long the monitor thread may sleep while a goroutine computes.
const nap = 50 * time.Millisecond

// watched says that the monitor thread is awake, or will be within a nap.
var watched atomic.Bool

// Monitor is for the begin of what may compute and was told of past the scheduler. It wakes the
// monitor thread, which otherwise sleeps while the process has nothing to do, and not again before
// a nap is over: a timer that is due wakes it as well.
func Monitor() {
	if watched.Load() || watched.Swap(true) {
		return
	}
	WakeMonitor()
	time.AfterFunc(nap, func() { watched.Store(false) })
}

// WakeMonitor is Monitor without a timer, while which is set a thread waits for the sockets that
// the runtime knows: each datagram that comes to one would wake it.
func WakeMonitor() {
	_, _, _ = syscall.Syscall(syscall.SYS_GETPID, 0, 0, 0) // any call that the scheduler knows of
}
