//go:build !linux

package socket

import (
	"errors"
	"net"
)

// setReuse refuses SO_REUSEPORT.
func setReuse(_ int, _, port bool) error {
	if port {
		return errors.New("SO_REUSEPORT is supported on Linux only; leave reuse_port out")
	}
	return nil
}

// probesAreInherited is false: each connection sets its own.
const probesAreInherited = false

// setProbes does nothing.
func setProbes(int, net.KeepAliveConfig) error { return nil }

// setBacklog leaves the accept queue at the system's maximum.
func setBacklog(l net.Listener, _ int) net.Listener { return l }
