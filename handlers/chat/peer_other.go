//go:build !linux

package chat

import "net"

// sameUser relies on the modes of the socket and of its directory.
func sameUser(net.Conn) bool { return true }
