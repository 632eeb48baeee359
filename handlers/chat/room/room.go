// Package room is the mode of chat in which every client in a room receives what the others
// send. Rooms may have names and commands, and servers may share them over a bus.
package room

import (
	"bufio"
	"fmt"
	"io"
	"sync"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/chat/client"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// lobby is the room that every user enters first.
const lobby = "lobby"

// Options are those of a server.
type Options struct {
	client.Options
	Commands bool           // users have names, and there are commands
	Greeting bool           // a room is notified of arrivals and departures
	History  int            // messages that a newcomer receives, within maxPast
	Bus      string         // address of the bus; empty: none
	Driver   cluster.Driver // opens it
}

// Class makes the handler class. With a bus, rooms are the same in every process.
func Class(o *Options) *framework.HandlerClass {
	r := newRooms(o)
	c := &framework.HandlerClass{
		New:      func() framework.Handler { return &handler{rooms: r} },
		Stateful: "its rooms and their members", Quiet: true,
	}
	if r.link != nil {
		c.OwnProgram, c.Open, c.Close, c.Stateful = true, r.link.open, r.link.close, ""
	}
	return c
}

// rooms are the rooms of a class and their users.
type rooms struct {
	options *Options

	mu     sync.Mutex
	open   map[string]*room   // by folded name; those with users, and the lobby
	here   map[*user]struct{} // the users of this server
	names  map[string]*user   // by folded name; empty without commands
	taking map[string]bool    // names that users here are about to have
	guests int                // names given to guests
	lastID uint64             // of a user here

	link *link // to other servers; nil: there is no bus
}

func newRooms(o *Options) *rooms {
	r := &rooms{options: o, open: map[string]*room{}, here: map[*user]struct{}{}, names: map[string]*user{}, taking: map[string]bool{}}
	r.open[fold(lobby)] = newRoom(lobby)
	if o.Bus != "" {
		r.link = &link{rooms: r}
	}
	return r
}

func newRoom(name string) *room {
	return &room{name: name, users: map[*user]struct{}{}, remote: map[*user]struct{}{}}
}

// A room is a set of users who receive each other's messages. Its lock orders messages and
// arrivals, so that a newcomer receives each message once: from the history or afterwards.
type room struct {
	name string
	hub  hub.Hub

	users, remote map[*user]struct{} // here and at other servers; guarded by rooms.mu

	mu        sync.Mutex
	history   history
	recalled  bool          // history has what was said before at all servers
	recalling chan struct{} // closed when that has been read; nil: nobody reads it
	unlinked  bool          // the users know that other servers are out of reach
}

// A user is a client in a room. Its fields are guarded by rooms.mu; only its own handler changes
// its room.
type user struct {
	*client.Client // nil: it is at another server
	name           string
	room           *room
	id             uint64  // for other servers
	server         *server // nil: it is here

	claiming sync.Mutex // held while its name and room are changed at all servers, before rooms.mu
}

// opened returns the room of that name. r.mu is held.
func (r *rooms) opened(name string) *room {
	in := r.open[fold(name)]
	if in == nil {
		in = newRoom(name)
		in.unlinked = r.link != nil && !r.link.linked
		r.open[fold(name)] = in
	}
	return in
}

// find returns the room of that name if it has users.
func (r *rooms) find(name string) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[fold(name)]
}

// vacate removes u from its room, if it has one, and closes a room without users. r.mu is held.
func (r *rooms) vacate(u *user) {
	from := u.room
	if from == nil {
		return
	}
	delete(from.users, u)
	delete(from.remote, u)
	if len(from.users)+len(from.remote) == 0 && from.name != lobby {
		delete(r.open, fold(from.name))
	}
}

// enter adds u to the room of that name.
func (r *rooms) enter(u *user, name string) {
	r.mu.Lock()
	to := r.opened(name)
	welcome := r.welcome(u, to)
	to.users[u] = struct{}{}
	u.room = to
	called := u.name
	r.mu.Unlock()
	r.link.recall(to)
	to.mu.Lock()
	defer to.mu.Unlock()
	to.hub.Join(u.Member)
	if r.options.Commands {
		to.hub.Send(u.Member, welcome)
	}
	if to.unlinked {
		to.hub.Send(u.Member, []byte(unlinkedText))
	}
	if past := to.history.text(r.options.History); len(past) > 0 { // one message, so that it takes one place in the queue
		to.hub.Send(u.Member, past)
	}
	if r.options.Greeting {
		to.hub.Broadcast(u.Member, r.greeting(greeting, called))
	}
}

// welcome is the notice to u when it enters a room. r.mu is held.
func (r *rooms) welcome(u *user, to *room) []byte {
	others := r.list(to)
	if others != "" {
		others = ", with " + others
	}
	return fmt.Appendf(nil, "-- you are %s in the room %s%s; /help lists the commands\n", u.name, to.name, others)
}

// leave removes u from its room. u has received all messages that were sent there before.
func (r *rooms) leave(u *user) {
	from := u.room
	from.hub.Leave(u.Member)
	r.mu.Lock()
	r.vacate(u)
	called := u.name
	r.mu.Unlock()
	if r.options.Greeting {
		from.hub.Broadcast(nil, r.greeting(goodbye, called))
	}
}

// Notices to a room when a user enters and leaves.
const (
	greeting = "欢迎%s来到我们的聊天室!"
	goodbye  = "%s离开了我们的聊天室!"
)

// greeting formats a notice about a user, which is a line if there are commands.
func (r *rooms) greeting(format, name string) []byte {
	text := fmt.Appendf(nil, format, name)
	if r.options.Commands {
		text = append(text, '\n')
	}
	return text
}

// say sends a message to all others in u's room, here and at other servers.
func (r *rooms) say(u *user, message []byte) {
	in := u.room
	err := r.broadcast(in, u.Member, func() (line, error) { return r.link.say(in, message) })
	if err != nil {
		in.hub.Send(u.Member, []byte(tooLargeText))
	}
}

// broadcast sends a line to all users in the room but from, which may be nil. The room has its history from when
// the line is made on, so that a newcomer receives it once.
func (r *rooms) broadcast(to *room, from *hub.Member, said func() (line, error)) error {
	if r.options.History > 0 {
		to.mu.Lock()
		defer to.mu.Unlock()
	}
	l, err := said()
	if r.options.History > 0 {
		to.history.add(l, r.options.History)
	}
	to.hub.Broadcast(from, l.text)
	return err
}

type handler struct {
	framework.StreamRequestHandler
	rooms *rooms
}

func (h *handler) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	r := h.rooms
	u := &user{Client: client.New(h.Request, rfile, wfile, &r.options.Options), name: client.Name(h.ClientAddress)}
	defer u.Close()
	r.introduce(u)
	defer r.dismiss(u)
	r.enter(u, lobby)
	defer r.leave(u)
	if r.options.Commands {
		return r.converse(u, rfile)
	}
	for {
		text, err := u.NextPaced()
		if err != nil {
			return err
		}
		r.say(u, text)
	}
}
