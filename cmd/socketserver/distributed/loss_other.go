//go:build !linux

package distributed

import "net"

// noticeLoss does nothing: the system decides how long it sends again.
func noticeLoss(*net.TCPConn) {}
