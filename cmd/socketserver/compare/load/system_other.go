//go:build !linux

package load

// Descriptors returns less than 0: not known.
func Descriptors() (open, limit int) { return -1, -1 }

// Ports returns less than 0: not known.
func Ports() int { return -1 }

// reusesPorts reports whether the system reuses ports in TIME_WAIT for local connections.
func reusesPorts() bool { return false }
