package conn

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUser returns the user at the other end of a Unix socket, as it was when that connected.
func peerUser(c net.Conn) (uid uint32, ok bool) {
	raw := rawConn(c)
	if raw == nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid, ok = peer.Uid, true
		}
	})
	return uid, ok
}
