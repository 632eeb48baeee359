// Package cluster has the frames that servers which share rooms send each other, and the bus that
// carries them.
package cluster

import (
	"errors"

	"github.com/hashicorp/go-hclog"
)

// ErrTooLarge is returned by [Bus.Send] for a frame that the bus does not carry.
var ErrTooLarge = errors.New("chat: too large for the bus")

// A Bus carries frames between servers: at most once, and those of one server in order.
type Bus interface {
	// Send sends a frame to one server, or to all others if to is empty. It does not block and
	// keeps frame. The frame is lost while the servers are not linked.
	Send(to string, frame []byte) error
	// MaxFrame returns the size in bytes of the largest frame that the bus carries.
	MaxFrame() int
	// Close sends the frames that wait, within a second, and closes the bus. Nothing is sent
	// after it.
	Close() error
}

// A Station is one server's end of a bus. Its functions are called by goroutines of the bus, and
// may block.
type Station struct {
	ID      string // the address for other servers; letters and digits
	Receive func(frame []byte)
	Linked  func(bool) // the link is up, or down
	Log     hclog.Logger
}

// A Driver opens buses.
type Driver interface {
	// Check reports what is wrong with an address and what to write. The error does not repeat
	// the address, which may contain a password.
	Check(address string) error
	// Open opens a bus. If nothing answers at the address, linked is false and the bus tries
	// again until it is closed.
	Open(address string, s Station) (bus Bus, linked bool, err error)
}
