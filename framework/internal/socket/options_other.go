//go:build !linux

package socket

import (
	"errors"
	"net"
)

// SetReuse refuses SO_REUSEPORT.
func SetReuse(_ int, _, port bool) error {
	if port {
		return errors.New("SO_REUSEPORT is supported on Linux only; leave reuse_port out")
	}
	return nil
}

// ProbesAreInherited is false: each connection sets its own.
const ProbesAreInherited = false

// SetProbes does nothing.
func SetProbes(int, net.KeepAliveConfig) error { return nil }

// SetBacklog leaves the accept queue at the system's maximum.
func SetBacklog(l net.Listener, _ int) net.Listener { return l }
