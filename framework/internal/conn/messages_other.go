//go:build !linux

package conn

import "net"

// Messages returns c: other systems have no network unixpacket.
func Messages(c net.Conn) net.Conn { return c }

func hasMessages(net.Conn) bool { return false }
