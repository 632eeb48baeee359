//go:build !linux

package load

// Descriptors is how many descriptors this process has open and how many it may have.
// Both are less than 0, as that is not known here.
func Descriptors() (open, limit int) { return -1, -1 }

// Ports is how many local ports are free for connections from this machine. It is less than
// 0, as that is not known here.
func Ports() int { return -1 }

// reusesPorts says whether the system lets a port be used again that a closed connection
// on this machine left waiting.
func reusesPorts() bool { return false }
