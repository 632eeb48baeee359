//go:build unix && !linux

package socket

import (
	"net"
	"syscall"
)

// sendUnixgram sends without blocking.
func sendUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) {
		err = syscall.Sendto(int(fd), p, syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: to.String()})
	})
	if failed != nil {
		return failed
	}
	return err
}
