//go:build unix && !linux

package socket

import (
	"net"
	"syscall"
)

// receiveUnixgram receives one datagram and the client's address; nil: it has none.
func receiveUnixgram(c *net.UnixConn, buf []byte) (n int, from net.Addr, err error) {
	n, client, err := c.ReadFromUnix(buf)
	if client == nil || client.Name == "" {
		return n, nil, err
	}
	return n, client, err
}

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
