package chat

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/internal/text"
)

// lobby is the room that everybody enters first.
const lobby = "lobby"

// rooms are those of a class, and who is in them.
type rooms struct {
	options *Options

	mu     sync.Mutex
	open   map[string]*room   // by folded name; those that somebody is in, and the lobby
	names  map[string]*person // by folded name; nobody without commands
	guests int                // how many have been named

	link *link // to other servers; nil: there is no bus
}

func newRooms(o *Options) *rooms {
	r := &rooms{options: o, open: map[string]*room{}, names: map[string]*person{}}
	r.open[fold(lobby)] = newRoom(lobby)
	if o.Bus != "" {
		r.link = newLink(r)
	}
	return r
}

// class is the handler class of the rooms. With a bus they are the same in all processes.
func (r *rooms) class() *framework.HandlerClass {
	c := &framework.HandlerClass{
		New:      func() framework.Handler { return &roomHandler{rooms: r} },
		Stateful: "its rooms and their members", Quiet: true,
	}
	if r.link != nil {
		c.OwnProgram, c.Open, c.Close, c.Stateful = true, r.link.open, r.link.close, ""
		if r.options.History > 0 {
			c.Stateful = "the last messages, which newcomers are sent,"
		}
	}
	return c
}

func newRoom(name string) *room { return &room{name: name, people: map[*person]struct{}{}} }

// A room is who hears each other. Its lock orders what is said and who comes, so that a
// newcomer has every message once: from the history or afterwards.
type room struct {
	name   string
	hub    hub.Hub
	people map[*person]struct{} // guarded by rooms.mu

	mu       sync.Mutex
	history  [][]byte // the last messages, the oldest first
	unlinked bool     // those who are in it have been told that other servers are out of reach
}

// A person is a client in a room. What it is called is guarded by rooms.mu. Where it is, is
// its own handler's to change, with rooms.mu held.
type person struct {
	*hub.Member
	name  string
	room  *room
	id    uint64 // for other servers
	since int64  // when it took its name, in nanoseconds of Unix time
}

// enter lets p into the room of that name. A person is in one room.
func (r *rooms) enter(p *person, name string) {
	r.mu.Lock()
	place := r.open[fold(name)]
	if place == nil {
		place = newRoom(name)
		place.unlinked = r.link != nil && !r.link.linked
		r.open[fold(name)] = place
	}
	place.people[p] = struct{}{}
	p.room = place
	r.share(p)
	called := p.name
	r.mu.Unlock()
	place.mu.Lock()
	defer place.mu.Unlock()
	place.hub.Join(p.Member)
	if r.options.Commands {
		place.hub.Send(p.Member, fmt.Appendf(nil, "-- you are %s in the room %s; /help lists the commands\n", called, place.name))
	}
	if place.unlinked {
		place.hub.Send(p.Member, []byte(unlinkedText))
	}
	if len(place.history) > 0 { // as one message, which waits however long it is, and leaves the queue to what follows
		place.hub.Send(p.Member, bytes.Join(place.history, nil))
	}
	if r.options.Greeting {
		place.hub.Broadcast(p.Member, r.notice(greeting, called))
	}
}

// leave takes p out of its room, which is closed when nobody is left in it. p has heard all
// that was said there before.
func (r *rooms) leave(p *person) {
	place := p.room
	place.hub.Leave(p.Member)
	r.mu.Lock()
	delete(place.people, p)
	r.unshare(p)
	called := p.name
	if len(place.people) == 0 && place.name != lobby {
		delete(r.open, fold(place.name))
	}
	r.mu.Unlock()
	if r.options.Greeting {
		place.hub.Broadcast(nil, r.notice(goodbye, called))
	}
}

// What everybody in a room is told about who comes and who leaves.
const (
	greeting = "欢迎%s来到我们的聊天室!"
	goodbye  = "%s离开了我们的聊天室!"
)

// notice is a sentence about somebody. Where there are commands everything is a line of its
// own.
func (r *rooms) notice(format, name string) []byte {
	text := fmt.Appendf(nil, format, name)
	if r.options.Commands {
		text = append(text, '\n')
	}
	return text
}

// say sends a message to everybody else in p's room, here and at other servers.
func (r *rooms) say(p *person, message []byte) {
	r.hear(p.room, p.Member, message)
	if r.link != nil {
		r.link.send("", &frame{Kind: says, Room: p.room.name, Text: message})
	}
}

// hear sends a message to everybody in the room here but from, which may be nil.
func (r *rooms) hear(place *room, from *hub.Member, message []byte) {
	if r.options.History == 0 {
		place.hub.Broadcast(from, message)
		return
	}
	place.mu.Lock()
	defer place.mu.Unlock()
	if len(place.history) == r.options.History {
		place.history = append(place.history[:0], place.history[1:]...)
	}
	place.history = append(place.history, append([]byte(nil), message...))
	place.hub.Broadcast(from, message)
}

type roomHandler struct {
	framework.StreamRequestHandler
	rooms *rooms
}

func (h *roomHandler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	r := h.rooms
	m, stop := newMember(h.Request, wfile, r.options)
	defer m.Close()
	defer stop()
	p := &person{Member: m, name: tuple(h.ClientAddress)}
	if r.options.Commands {
		r.nameGuest(p)
		defer r.forget(p)
	}
	r.enter(p, lobby)
	defer r.leave(p)
	in := newInput(m, h.Request, rfile, r.options)
	if r.options.Commands {
		return r.converse(p, in)
	}
	for {
		text, err := in.next()
		if err == nil {
			err = in.pace()
		}
		if err != nil {
			return err
		}
		r.say(p, text)
	}
}

// missed is what a client is told that read too slowly. Nobody had such a text before.
func missed(n int) []byte {
	return fmt.Appendf(nil, "\n-- you read too slowly: %d messages were left out\n", n)
}

// tuple is how Python writes a client's address: a tuple, or of a Unix socket its path, which
// the client may have chosen.
func tuple(a net.Addr) string {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a.IP.To4() != nil {
			return fmt.Sprintf("('%s', %d)", a.IP, a.Port)
		}
		return fmt.Sprintf("('%s', %d, 0, 0)", a.IP, a.Port)
	case *net.UnixAddr:
		if a.Name == "@" { // it is not bound
			return "''"
		}
		return string(text.Relay.Append([]byte("'"), []byte(a.Name))) + "'"
	}
	return "''"
}
