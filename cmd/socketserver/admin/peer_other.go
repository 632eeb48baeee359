//go:build !linux

package admin

import (
	"net"
	"os"
)

// peerAt relies on the mode of the socket.
func peerAt(net.Conn) peer { return peer{known: true, uid: os.Geteuid()} }
