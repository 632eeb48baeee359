package admin

import (
	"net"
	"syscall"
)

// peerAt asks the system who is at the other end of a Unix socket.
func peerAt(c net.Conn) (p peer) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return p
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return p
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			p = peer{true, int(cred.Pid), int(cred.Uid), int(cred.Gid)}
		}
	})
	return p
}
