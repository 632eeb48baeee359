//go:build !linux

package conn

import (
	"net"
	"syscall"
)

// Shared returns c: processes get descriptors on Linux only.
func Shared(c net.Conn) net.Conn { return c }

// StopLingering does nothing here.
func StopLingering(syscall.Conn) {}

// Kill closes c.
func Kill(c net.Conn) { _ = c.Close() }
