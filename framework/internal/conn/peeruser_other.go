//go:build !linux

package conn

import "net"

// PeerUser needs Linux.
func PeerUser(net.Conn) (uid uint32, ok bool) { return 0, false }
