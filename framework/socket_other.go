//go:build !linux

package framework

import (
	"errors"
	"net"
)

func setReuse(_ int, _, port bool) error {
	if port {
		return errors.New("SO_REUSEPORT is supported on Linux only; leave reuse_port out")
	}
	return nil
}

const probesAreInherited = false

func setProbes(int, net.KeepAliveConfig) error { return nil }

// setQueue leaves the queue at the system's maximum.
func setQueue(l net.Listener, _ int) net.Listener { return l }

// shutdownWrite is for workers, which there are none of here.
func shutdownWrite(uintptr) error { return ErrNotSupported }

// hasUnread can not be told here; closing may then reset a connection early.
func hasUnread(net.Conn) bool { return false }
