package distributed

import (
	"net"

	"golang.org/x/sys/unix"
)

// noticeLoss ends a connection whose other machine has not confirmed what was sent for some ten seconds.
// Keep-alive sends nothing while that is on its way.
func noticeLoss(tcp *net.TCPConn) {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 11_000) })
	}
}
