package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Frame is a message from one server to others.
type Frame struct {
	From   string `json:"from"`   // the server
	Number uint64 `json:"number"` // of what is said, increasing at each server
	Named  bool   `json:"named"`  // the server's rooms have names and commands
	Room   string `json:"room,omitempty"`
	To     uint64 `json:"to,omitempty"` // the user that it is for; 0: all in Room
	Text   []byte `json:"text,omitempty"`
}

// Marshal returns the frame as it is sent.
func (f *Frame) Marshal() []byte {
	data, err := json.Marshal(f)
	if err != nil {
		panic(err) // every frame can be marshalled
	}
	return data
}

// A Presence is a user of a server.
type Presence struct {
	Server string `json:"server"`
	ID     uint64 `json:"id"` // at that server
	Named  bool   `json:"named"`
	Name   string `json:"name"`
	Room   string `json:"room"`
}

// Limits of what comes from the bus, which is trusted no more than a client's message.
const (
	MaxName  = 1024      // bytes of a name that is an address, and of any other
	MaxText  = 16 << 10  // bytes of a message that was made visible: of a line of 8 KiB and a read, or of a read of 1024, which that makes six times as long
	maxFrame = 256 << 10 // bytes
	idLength = 16
)

// Parse parses a frame and checks its limits. Its room and text are not checked.
func Parse(data []byte) (*Frame, error) {
	f := &Frame{}
	if err := unmarshal(data, f); err != nil {
		return nil, err
	}
	if !IsID(f.From) || len(f.Text) > MaxText {
		return nil, errors.New("a frame that no server sends")
	}
	return f, nil
}

// ParsePresence parses a user. Of its name and room the lengths are checked.
func ParsePresence(data []byte) (p Presence, err error) {
	err = unmarshal(data, &p)
	switch {
	case err != nil:
	case !IsID(p.Server) || p.ID == 0:
		err = errors.New("a user of no server")
	case len(p.Name) > MaxName || len(p.Room) > MaxName:
		err = errors.New("a user with too long a name")
	}
	return p, err
}

func unmarshal(data []byte, to any) error {
	if len(data) > maxFrame {
		return fmt.Errorf("a message of %d bytes", len(data))
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("parse message: %w", err)
	}
	return nil
}

// IsID reports whether a server may have that ID.
func IsID(s string) bool { return len(s) == idLength && strings.Trim(s, "0123456789abcdef") == "" }
