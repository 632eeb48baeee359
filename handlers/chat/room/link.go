package room

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
	"github.com/go-socketserver/socketserver/internal/text"
)

const (
	announceInterval = 2 * time.Second
	silence          = 10 * time.Second // after which a server, or a user there, is forgotten
	relinkGrace      = 2 * time.Second  // in place of silence after the link was down
)

// Notices about the link.
const (
	unlinkedText = "-- not linked to other servers\n"
	linkedText   = "-- linked to other servers\n"
	tooLargeText = "-- your message is too long for other servers; only users at this one received it\n"
)

// A link joins the rooms of a class to those of other servers, over a bus. Messages are sent as
// they come; presence is sent when it changes, and as a whole at intervals, when the link is up
// again, and on request, so that lost frames are made up for.
//
// Frames are sent with rooms.mu held: their order is that of the changes.
type link struct {
	rooms *rooms
	log   hclog.Logger

	mu     sync.Mutex      // serializes what the bus reports
	logged map[string]bool // warnings, each of which is logged once
	done   chan struct{}   // closed when the link is; nil: it is not open

	// Guarded by rooms.mu.
	linked  bool
	servers map[string]*server // by id
	lastID  uint64             // of a user here
	id      string
	bus     cluster.Bus // nil: it is not open
}

// open opens the bus. It returns after the first attempt to connect.
func (l *link) open(_ string, log hclog.Logger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := fmt.Sprintf("%016x", rand.Uint64())
	bus, linked, err := l.rooms.options.Driver.Open(l.rooms.options.Bus, cluster.Station{
		ID: id, Log: log, Receive: l.receive, Linked: l.changed,
	})
	if err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	l.log, l.logged, l.done = log, map[string]bool{}, make(chan struct{})
	l.rooms.mu.Lock()
	l.id, l.bus = id, bus
	l.linked, l.servers = linked, map[string]*server{}
	l.rooms.open[fold(lobby)].unlinked = !linked // it has no users yet
	l.announce("", true)
	l.rooms.mu.Unlock()
	go l.run(l.done)
	return nil
}

// close tells the others that this server ends, and closes the bus. The rooms have no users.
func (l *link) close() error {
	l.mu.Lock()
	done := l.done
	l.done = nil
	l.mu.Unlock()
	if done == nil {
		return nil // it was opened in other processes
	}
	close(done)
	l.rooms.mu.Lock()
	_ = l.send("", &cluster.Frame{Kind: cluster.Bye})
	bus := l.bus
	l.bus = nil
	for _, s := range l.servers {
		l.forget(s)
	}
	l.rooms.mu.Unlock()
	return bus.Close()
}

func (l *link) run(done chan struct{}) {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			l.tick()
		}
	}
}

// tick announces the users here, and forgets those at other servers that are announced no more.
func (l *link) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms
	r.mu.Lock()
	var all []notice
	if l.linked {
		l.announce("", false)
		all = l.expire()
	}
	r.mu.Unlock()
	r.post(all)
}

// changed is called when the link is up or down. Users are notified, and then see only each
// other.
func (l *link) changed(linked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms
	r.mu.Lock()
	if l.done == nil || linked == l.linked {
		r.mu.Unlock()
		return
	}
	l.linked = linked
	text := []byte(unlinkedText)
	if linked {
		text = []byte(linkedText)
		l.touch(time.Now().Add(relinkGrace - silence))
		l.announce("", true)
	}
	open := slices.Collect(maps.Values(r.open))
	r.mu.Unlock()
	for _, in := range open {
		in.mu.Lock()
		in.unlinked = !linked
		in.hub.Broadcast(nil, text)
		in.mu.Unlock()
	}
}

// send sends a frame to one server, or to all others. Its only error is cluster.ErrTooLarge.
// rooms.mu is held.
func (l *link) send(to string, f *cluster.Frame) error {
	if l.bus == nil {
		return nil
	}
	f.From, f.Named = l.id, l.rooms.options.Commands
	data, err := json.Marshal(f)
	if err != nil {
		panic(err) // every frame can be marshalled
	}
	return l.bus.Send(to, data)
}

// Sizes in a frame of users, in bytes of JSON, for a bus that carries small frames only.
const (
	frameSize    = 160 // without users
	presenceSize = 250 // of most users
)

// maxPart returns the number of users in a frame. rooms.mu is held.
func (l *link) maxPart() int {
	if l.bus == nil {
		return cluster.MaxPart
	}
	return min(cluster.MaxPart, max(1, (l.bus.MaxFrame()-frameSize)/presenceSize))
}

// announce sends the users here, in one or more frames, the last of which may ask for those of
// the others. rooms.mu is held.
func (l *link) announce(to string, ask bool) {
	var users []cluster.Presence
	for _, in := range l.rooms.open {
		for u := range in.users {
			users = append(users, u.presence())
		}
	}
	f := cluster.Frame{Kind: cluster.Came, Reply: to != "" && !ask}
	part := l.maxPart()
	for ; len(users) > part; users = users[part:] {
		f.Users = users[:part]
		_ = l.send(to, &f)
	}
	f.Users, f.Ask = users, ask
	_ = l.send(to, &f)
}

// receive handles a frame of the bus.
func (l *link) receive(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		return
	}
	r := l.rooms
	f, err := cluster.Parse(data)
	if err == nil && f.Named == r.options.Commands {
		err = l.sanitize(f)
	}
	switch {
	case err != nil:
		l.warnOnce("another program uses the subjects of the bus; its messages are ignored", "found", err)
		return
	case f.From == l.id:
		return
	case f.Named != r.options.Commands:
		l.warnOnce("a server on the bus has another setting of commands; its rooms are not joined", "server_id", f.From)
		return
	}
	r.mu.Lock()
	s, isNew := l.sender(f)
	if s == nil {
		r.mu.Unlock()
		return
	}
	if isNew && !f.Ask && !f.Reply {
		l.announce(f.From, true) // its users are not known yet
	}
	all := l.apply(s, f)
	r.mu.Unlock()
	r.post(all)
}

func (l *link) warnOnce(message string, args ...any) {
	if !l.logged[message] {
		l.logged[message] = true
		l.log.Warn(message, args...)
	}
}

// sanitize makes the text of a frame like that of a client here, and checks its names.
func (l *link) sanitize(f *cluster.Frame) error {
	if f.Room != "" && !isName(f.Room) {
		return fmt.Errorf("a frame of kind %q with a room that cannot exist", f.Kind)
	}
	for _, u := range f.Users {
		if f.Kind != cluster.Gone && (!isName(u.Room) || !l.isUserName(u.Name)) {
			return fmt.Errorf("a frame of kind %q with a name that no user can have", f.Kind)
		}
	}
	if len(f.Text) == 0 {
		return nil
	}
	form := l.rooms.options.Form()
	if !l.rooms.options.Commands {
		f.Text = form.Append(nil, f.Text)
		return nil
	}
	line := bytes.ReplaceAll(bytes.TrimRight(f.Text, "\r\n"), []byte("\n"), []byte(`\u000a`))
	f.Text = append(form.Append(nil, line), '\n')
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

// apply returns the notices that a frame of s leads to. rooms.mu is held.
func (l *link) apply(s *server, f *cluster.Frame) []notice {
	r := l.rooms
	switch f.Kind {
	case cluster.Say:
		if in := r.open[fold(f.Room)]; in != nil && len(f.Text) > 0 { // also where nobody is: the next one to come has the history
			return []notice{{room: in, text: f.Text, message: true}}
		}
	case cluster.Whisper:
		if u := r.byID(f.To); u != nil && len(f.Text) > 0 {
			return []notice{{room: u.room, to: u.Member, text: f.Text}}
		}
	case cluster.Bye:
		return l.forget(s)
	case cluster.Gone:
		var all []notice
		for _, p := range f.Users {
			if u := s.users[p.ID]; u != nil {
				all = append(all, l.drop(u)...)
			}
		}
		return all
	case cluster.Came:
		if f.Ask {
			l.announce(f.From, false)
		}
		return l.merge(s, f)
	}
	return nil
}
