package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A frame is what servers that share rooms tell each other.
type frame struct {
	From   string     `json:"from"`   // the server
	Number uint64     `json:"number"` // of the frame; it grows, and has gaps where a frame was for another server
	Named  bool       `json:"named"`  // the server's rooms have names and commands
	Kind   frameKind  `json:"kind"`
	Room   string     `json:"room,omitempty"`
	To     uint64     `json:"to,omitempty"`
	Text   []byte     `json:"text,omitempty"`
	People []presence `json:"people,omitempty"`
	Part   int        `json:"part,omitempty"` // of a state
	Last   bool       `json:"last,omitempty"` // no part follows
	Ask    bool       `json:"ask,omitempty"`  // the others' states are wanted
	Reply  bool       `json:"reply,omitempty"`
}

type frameKind string

const (
	says     frameKind = "say"     // Text, in Room
	whispers frameKind = "whisper" // Text, to the person To
	came     frameKind = "came"    // the one of People, or that one has changed
	gone     frameKind = "gone"    // the one of People
	state    frameKind = "state"   // People are all of the server, in parts
	farewell frameKind = "bye"     // the server ends
)

// A presence is a person at another server.
type presence struct {
	ID    uint64 `json:"id"` // at that server
	Name  string `json:"name,omitempty"`
	Room  string `json:"room,omitempty"`
	Since int64  `json:"since,omitempty"` // when it took its name, in nanoseconds of Unix time
}

// What a frame may have. What comes from the bus is not trusted more than what clients send.
const (
	maxFrame     = 256 << 10 // bytes
	maxSaid      = 16 << 10  // bytes; a message of 1024 may be six times as long when it is visible
	maxPart      = 200       // people in a part of a state
	maxServers   = 1000
	maxStrangers = 100_000 // people of one server
	maxLabel     = 1024    // bytes of a name that is an address
)

// parseFrame returns a frame of the bus, with everything in it fit to be shown here.
func parseFrame(data []byte, o *Options) (*frame, error) {
	if len(data) > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", len(data))
	}
	f := &frame{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	if !isServerID(f.From) || len(f.Text) > maxSaid || len(f.People) > maxPart || f.Room != "" && !isName(f.Room) {
		return nil, fmt.Errorf("a frame of kind %q that no server sends", f.Kind)
	}
	if f.Named != o.Commands {
		return f, nil // it is used no further
	}
	f.Text = fit(f.Text, o)
	for _, p := range f.People {
		if f.Kind != gone && (!isName(p.Room) || !isLabel(p.Name, o)) {
			return nil, fmt.Errorf("a frame of kind %q with a name that nobody can have", f.Kind)
		}
	}
	return f, nil
}

// fit makes a message what it would be if it had come from a client: nothing that acts on a
// terminal, and one line where everything is a line.
func fit(message []byte, o *Options) []byte {
	if len(message) == 0 {
		return nil
	}
	if !o.Commands {
		return o.form().Append(nil, message)
	}
	line := bytes.ReplaceAll(bytes.TrimRight(message, "\r\n"), []byte("\n"), []byte(`\u000a`))
	return append(o.form().Append(nil, line), '\n')
}

// isLabel says whether somebody may be called so: by a name, or without commands by what an
// address looks like.
func isLabel(name string, o *Options) bool {
	if o.Commands {
		return isName(name)
	}
	return name != "" && len(name) <= maxLabel && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(r rune) bool { return text.Relay.Hides(r) || r == '\n' || r == '\t' }) < 0
}

const serverIDLength = 16

func isServerID(id string) bool {
	return len(id) == serverIDLength && strings.Trim(id, "0123456789abcdef") == ""
}
