//go:build !linux

package conn

import (
	"errors"
	"net"
)

// shutdownWrite is for workers, which exist on Linux only.
func shutdownWrite(uintptr) error { return errors.ErrUnsupported }

// hungUp is for relays to workers.
func hungUp(uintptr) bool { return false }

// HasUnread cannot be told here; closing may then reset a connection early.
func HasUnread(net.Conn) bool { return false }

// Peek needs Linux.
func Peek(net.Conn, []byte) int { return 0 }

// ReadArrived needs Linux.
func ReadArrived(net.Conn, []byte, bool, func([]byte) int) int { return 0 }
