//go:build unix && !linux

package socket

import (
	"net"
	"path/filepath"
	"syscall"
)

// sendUnixgram sends without blocking. This system does not say whose socket has the name.
func sendUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	if !filepath.IsAbs(to.String()) {
		return errRelativeName
	}
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
