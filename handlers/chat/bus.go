package chat

import "github.com/hashicorp/go-hclog"

// A Bus carries frames between the servers that share rooms: at most once, and those of one
// server in the order in which it sent them.
type Bus interface {
	// Send sends a frame to one server, or to all others where to is empty. It does not wait
	// and keeps frame; where the servers are not linked the frame is lost.
	Send(to string, frame []byte)
	// Close sends what has been given to Send, within a second, and closes the bus. Nothing
	// is sent after it.
	Close() error
}

// A Station is where a bus ends: one server. Its functions are called by goroutines of the
// bus, and may wait.
type Station struct {
	ID      string // what others send to; letters and digits
	Receive func(frame []byte)
	Linked  func(bool) // the link is there again, or not any more
	Log     hclog.Logger
}

// A BusDriver opens buses.
type BusDriver interface {
	// Check says what is wrong with an address and what to write. It does not repeat the
	// address, which may have a password.
	Check(address string) error
	// Open opens a bus. It is no error that nothing answers there: linked is false then, and
	// the bus goes on trying until it is closed.
	Open(address string, end Station) (bus Bus, linked bool, err error)
}

// Buses opens the buses of rooms; nil: this program has none. A main sets it before it does
// anything else, as package handlers/chat/natsbus is nothing that every program has to link.
var Buses BusDriver
