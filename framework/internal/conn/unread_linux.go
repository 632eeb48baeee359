package conn

import (
	"errors"
	"net"
	"os"
	"syscall"
	"unsafe"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

func shutdownWrite(fd uintptr) error {
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(fd), syscall.SHUT_WR))
}

// hungUp reports whether the other end of a socketpair is closed, and not only done with its output; or both ends
// are done with that.
func hungUp(fd uintptr) bool { return poll(fd, 0)&pollHup != 0 }

// HasUnread reports whether the socket of conn holds bytes that nobody has read.
func HasUnread(conn net.Conn) bool {
	raw := rawConn(conn)
	if raw == nil {
		return false
	}
	var n int32
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.RawSyscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return n > 0
}

// Peek copies what has arrived and nobody has read into p, without reading it, and returns the number
// of bytes; 0 also where the socket cannot be looked at.
func Peek(conn net.Conn, p []byte) (n int) {
	raw := rawConn(conn)
	if raw == nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		n, _ = rawsock.Peek(fd, p)
	})
	return n
}

// ReadArrived reads of what has arrived the bytes that whole counts, into p, and returns their number; 0: there
// are none, and nothing was read. With wait it waits until something has arrived, the peer has ended, or a deadline of
// conn has passed.
func ReadArrived(conn net.Conn, p []byte, wait bool, whole func(arrived []byte) int) (n int) {
	raw := rawConn(conn)
	if raw == nil {
		return 0
	}
	_ = raw.Read(func(fd uintptr) bool {
		arrived, err := rawsock.Peek(fd, p)
		if n = whole(p[:arrived]); n > 0 {
			_, _ = rawsock.Receive(fd, p[:n]) // they are there
		}
		return !wait || !errors.Is(err, syscall.EAGAIN)
	})
	return n
}
