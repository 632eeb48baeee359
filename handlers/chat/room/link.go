package room

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Notices about the link.
const (
	unlinkedText = "-- not linked to other servers\n"
	linkedText   = "-- linked to other servers\n"
	tooLargeText = "-- your message is too long for other servers; only users at this one received it\n"
)

const otherCommands = "a server on the bus has another setting of commands; its rooms are not joined"

// A link joins the rooms of a class to those of other servers, over a bus. What is said is sent as it comes; names
// and rooms of users are in the table of the bus, which decides who has a name.
type link struct {
	rooms *rooms
	log   hclog.Logger
	id    string

	logged sync.Map // warnings, each of which is logged once

	mu     sync.Mutex // serializes what the bus reports, but the table
	heard  recent     // lines of other servers
	isOpen bool

	// Guarded by rooms.mu.
	linked  bool
	servers map[string]*server // by id
	number  uint64             // of the last line that was said here
	bus     cluster.Bus        // nil: it is not open
	late    []notice           // that follow when it is linked
}

// open opens the bus. It returns after the first attempt to link.
func (l *link) open(_ string, log hclog.Logger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id, l.log = fmt.Sprintf("%016x", rand.Uint64()), log
	l.servers = map[string]*server{}
	o := l.rooms.options
	bus, linked, err := o.Driver.Open(o.Bus, cluster.Station{
		ID: l.id, History: o.History, Log: log,
		Receive: l.receive, Stored: l.stored, Present: l.present, Absent: l.absent, Join: l.join, Linked: l.changed,
	})
	if err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	l.rooms.mu.Lock()
	l.bus, l.linked, l.isOpen = bus, linked, true
	open := slices.Collect(maps.Values(l.rooms.open)) // the lobby, and rooms of users elsewhere
	l.rooms.mu.Unlock()
	for _, in := range open {
		in.mu.Lock()
		in.unlinked = !linked
		in.mu.Unlock()
	}
	return nil
}

// close closes the bus. The rooms have no users.
func (l *link) close() error {
	l.mu.Lock()
	was := l.isOpen
	l.isOpen = false
	l.mu.Unlock()
	if !was {
		return nil // it was opened in other processes
	}
	return l.bus.Close()
}

// changed is called when the link is up or down. Users are notified, and then see only each
// other.
func (l *link) changed(linked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms
	r.mu.Lock()
	if !l.isOpen || linked == l.linked {
		r.mu.Unlock()
		return
	}
	text := []byte(unlinkedText)
	if l.linked = linked; linked {
		text = []byte(linkedText)
	}
	open, late := slices.Collect(maps.Values(r.open)), l.late
	l.late = nil
	r.mu.Unlock()
	for _, in := range open {
		in.mu.Lock()
		in.unlinked, in.recalled = !linked, false
		in.hub.Broadcast(nil, text)
		in.mu.Unlock()
	}
	r.post(late)
}

// say sends a line to other servers. Its only error is cluster.ErrTooLarge.
func (l *link) say(in *room, text []byte) (line, error) {
	if l == nil {
		return line{text: text}, nil
	}
	l.rooms.mu.Lock() // the order of lines is that of their numbers
	defer l.rooms.mu.Unlock()
	l.number++
	f := &cluster.Frame{From: l.id, Number: l.number, Named: l.rooms.options.Commands, Room: in.name, Text: text}
	return line{from: l.id, number: f.Number, text: text}, l.bus.Say(token(in.name), f.Marshal())
}

// whisper sends a frame to a user of a server. Its only error is cluster.ErrTooLarge.
func (l *link) whisper(to *user, text []byte) error {
	f := &cluster.Frame{From: l.id, Named: l.rooms.options.Commands, To: to.id, Text: text}
	return l.bus.Send(to.server.id, f.Marshal())
}

// parse parses a frame of another server, or returns nil if it is to be ignored. l.mu is held.
func (l *link) parse(data []byte) *cluster.Frame {
	f, err := cluster.Parse(data)
	if err == nil && f.Named == l.rooms.options.Commands {
		err = l.sanitize(f)
	}
	switch {
	case err != nil:
		l.warnOnce("another program uses the subjects of the bus; its messages are ignored", "found", err)
		return nil
	case f.Named != l.rooms.options.Commands:
		l.warnOnce(otherCommands, "server_id", f.From)
		return nil
	}
	return f
}

// receive handles a frame of another server.
func (l *link) receive(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.parse(data)
	if f == nil || !l.isOpen {
		return
	}
	if f.To == 0 {
		l.hear(f, data)
		return
	}
	r := l.rooms
	r.mu.Lock()
	u := r.byID(f.To)
	var in *room
	if u != nil {
		in = u.room
	}
	r.mu.Unlock()
	if in != nil {
		in.hub.Send(u.Member, f.Text)
	}
}

// hear broadcasts a line of another server, which comes by itself and with the history: whichever is first. Anybody on the
// bus may send any number in any name, so the frame itself is compared. l.mu is held.
func (l *link) hear(f *cluster.Frame, data []byte) {
	if f.From == l.id || !l.heard.add(data) {
		return
	}
	if in := l.rooms.find(f.Room); in != nil {
		_ = l.rooms.broadcast(in, nil, func() (line, error) {
			return line{from: f.From, number: f.Number, text: f.Text}, nil
		})
	}
}

func (l *link) warnOnce(message string, args ...any) {
	if _, logged := l.logged.LoadOrStore(message, true); !logged {
		l.log.Warn(message, args...)
	}
}

// sanitize makes the text of a frame like that of a client here, and checks its room.
func (l *link) sanitize(f *cluster.Frame) error {
	if len(f.Text) == 0 || f.To == 0 && (!isName(f.Room) || f.Number == 0) {
		return fmt.Errorf("a frame for a room that cannot exist, or without text")
	}
	form := l.rooms.options.Form()
	if !l.rooms.options.Commands {
		f.Text = form.Append(nil, f.Text)
	} else {
		line := bytes.ReplaceAll(bytes.TrimRight(f.Text, "\r\n"), []byte("\n"), []byte(`\u000a`))
		f.Text = append(form.Append(nil, line), '\n')
	}
	if len(f.Text) > cluster.MaxText {
		return fmt.Errorf("a frame of %d bytes of text when it is made visible", len(f.Text))
	}
	return nil
}

// isUserName reports whether a remote user may have that name: without commands it is an address.
func (l *link) isUserName(name string) bool {
	if l.rooms.options.Commands {
		return isName(name)
	}
	return name != "" && len(name) <= cluster.MaxName && utf8.ValidString(name) &&
		strings.IndexFunc(name, func(r rune) bool { return text.Relay.Hides(r) || r == '\n' || r == '\t' }) < 0
}
