package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Frame is a message from one server to others.
type Frame struct {
	From  string     `json:"from"`  // the server
	Named bool       `json:"named"` // the server's rooms have names and commands
	Kind  Kind       `json:"kind"`
	Room  string     `json:"room,omitempty"`
	To    uint64     `json:"to,omitempty"`
	Text  []byte     `json:"text,omitempty"`
	Users []Presence `json:"people,omitempty"`
	Ask   bool       `json:"ask,omitempty"` // requests the users of the others
	Reply bool       `json:"reply,omitempty"`
}

// A Kind is the kind of a frame.
type Kind string

const (
	Say     Kind = "say"     // Text, in Room
	Whisper Kind = "whisper" // Text, to the user To
	Came    Kind = "came"    // Users have come or changed, or are still there
	Gone    Kind = "gone"    // the user in Users has left
	Bye     Kind = "bye"     // the server ends
)

// A Presence is a user at another server.
type Presence struct {
	ID    uint64 `json:"id"` // at that server
	Name  string `json:"name,omitempty"`
	Room  string `json:"room,omitempty"`
	Since int64  `json:"since,omitempty"` // when the user took the name, in nanoseconds of Unix time
}

// Limits of frames. A frame is trusted no more than a client's message.
const (
	MaxPart  = 200       // users in a frame
	MaxName  = 1024      // bytes of a name that is an address
	maxFrame = 256 << 10 // bytes
	maxText  = 16 << 10  // bytes; a message of 1024 grows by a factor of six when made visible
	idLength = 16
)

// Parse parses a frame and checks its limits. Its room, names and text are not checked.
func Parse(data []byte) (*Frame, error) {
	if len(data) > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", len(data))
	}
	f := &Frame{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("parse frame: %w", err)
	}
	isID := len(f.From) == idLength && strings.Trim(f.From, "0123456789abcdef") == ""
	if !isID || len(f.Text) > maxText || len(f.Users) > MaxPart {
		return nil, fmt.Errorf("a frame of kind %q that no server sends", f.Kind)
	}
	return f, nil
}
