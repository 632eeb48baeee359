//go:build !linux

package systemd

// Sockets returns nothing: only Linux has systemd.
func Sockets() ([]Socket, error) { return nil, nil }
