//go:build !linux

package socket

// Waiting needs Linux.
func (*Kept) Waiting() (waiting, backlog int) { return 0, 0 }
