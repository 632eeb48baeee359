//go:build !linux

package operator

import "net"

// sameUser relies on the modes of the socket and of its directory.
func sameUser(net.Conn) bool { return true }
