package conn

import (
	"net"
	"os"
	"syscall"
	"unsafe"
)

func shutdownWrite(fd uintptr) error {
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(fd), syscall.SHUT_WR))
}

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
