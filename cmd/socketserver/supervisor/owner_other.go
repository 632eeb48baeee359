//go:build !linux

package supervisor

// socketOwner is not known on this system.
func socketOwner(_, _ string) string { return "" }

// clientPorts is not known on this system.
func clientPorts(_, _ string) (low, high int, inside bool) { return 0, 0, false }
