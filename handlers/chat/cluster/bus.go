// Package cluster has what servers that share rooms tell each other, and the bus that carries it.
package cluster

import (
	"errors"

	"github.com/hashicorp/go-hclog"
)

// Errors of a [Bus].
var (
	ErrTooLarge = errors.New("chat: too large for the bus")
	ErrTaken    = errors.New("chat: taken by a user of another server")
	ErrAway     = errors.New("chat: not linked to other servers")
)

// A Bus links servers. It carries frames, at most once and those of one server in order, and it has a
// table of all users, which every server sees change in the same order. When a server is killed, or
// loses the bus for some seconds, its users leave the table.
type Bus interface {
	// Send sends a frame to one server. It does not block and keeps frame. The frame is lost while
	// the servers are not linked.
	Send(to string, frame []byte) error
	// Say sends a frame to all other servers as Send does, and adds it to the history of a room.
	Say(room string, frame []byte) error
	// Claim puts a user of this server into the table, or changes it there. It returns ErrTaken if
	// another server has the key, and ErrAway if that cannot be decided. It blocks for some seconds
	// at most.
	Claim(key string, u Presence) error
	// Release removes a user of this server from the table. If that fails the bus loses its link, and
	// all is made right when it is linked again.
	Release(key string)
	// History returns the last frames that were said in a room, oldest first, and of very long ones
	// fewer. It blocks for some seconds at most.
	History(room string) ([]Stored, error)
	// Close sends the frames that wait, within a second, and closes the bus.
	Close() error
}

// A Stored is a frame of the history. All servers see the same numbers, which increase.
type Stored struct {
	Sequence uint64
	Frame    []byte
}

// A Station is one server's end of a bus. Its functions are called by goroutines of the bus, of which
// Present, Absent, Join and Linked by one at a time.
type Station struct {
	ID      string // the address for other servers; letters and digits
	History int    // frames of a room that History returns
	Log     hclog.Logger

	Receive func(frame []byte) // from another server
	Stored  func(Stored)       // what was said anywhere is in the history now
	Present func(Presence)     // a user of another server is in the table, which has a bound, or has changed
	Absent  func(Presence)     // it is there no more
	Join    func() error       // claims all users, before Linked(true)
	Linked  func(bool)         // the link is up, or down
}

// A Driver opens buses.
type Driver interface {
	// Check reports what is wrong with an address and what to write. The error does not repeat
	// the address, which may contain a password.
	Check(address string) error
	// Open opens a bus. If it cannot be linked now, linked is false and the bus tries again until it
	// is closed.
	Open(address string, s Station) (bus Bus, linked bool, err error)
}
