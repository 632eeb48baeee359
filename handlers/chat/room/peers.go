package room

import (
	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// A server is another server on the bus. It and its users are guarded by rooms.mu.
type server struct {
	id    string
	users map[uint64]*user
}

// A notice is what users here receive because of other servers.
type notice struct {
	room   *room
	to     *hub.Member // nil: every user in the room
	except *hub.Member // except this one, which may be nil
	text   []byte
}

// post delivers notices. It is called without r.mu, as a busy hub makes it wait.
func (r *rooms) post(notices []notice) {
	for _, n := range notices {
		if n.to != nil {
			n.room.hub.Send(n.to, n.text)
		} else {
			n.room.hub.Broadcast(n.except, n.text)
		}
	}
}

// greet returns the notice to a room, which may be nil, that a remote user enters or leaves.
func (r *rooms) greet(in *room, format, name string) []notice {
	if in == nil || len(in.users) == 0 || !r.options.Greeting {
		return nil
	}
	return []notice{{room: in, text: r.greeting(format, name)}}
}

// byID returns the user that other servers know by that number. r.mu is held.
func (r *rooms) byID(id uint64) *user {
	for u := range r.here {
		if u.id == id {
			return u
		}
	}
	return nil
}

// remote returns the users in a room who are at other servers within reach. r.mu is held.
func (r *rooms) remote(in *room) map[*user]struct{} {
	if r.link == nil || !r.link.linked {
		return nil
	}
	return in.remote
}

// put adds a user of another server, of whom the bus bounds the number, or changes its name or room. rooms.mu is held.
func (l *link) put(p cluster.Presence) []notice {
	r, s := l.rooms, l.servers[p.Server]
	if s == nil {
		s = &server{id: p.Server, users: map[uint64]*user{}}
		l.servers[p.Server] = s
	}
	u := s.users[p.ID]
	if u == nil {
		u = &user{id: p.ID, server: s}
		s.users[p.ID] = u
	}
	before, from, to := u.name, u.room, r.opened(p.Room)
	if from != to {
		r.vacate(u)
		to.remote[u] = struct{}{}
	}
	u.name, u.room = p.Name, to
	r.unname(u, before)
	if other := r.names[fold(u.name)]; other == nil || other.server != nil { // or it is about to be renamed
		r.names[fold(u.name)] = u
	}
	switch {
	case from != to:
		return append(r.greet(from, goodbye, before), r.greet(to, greeting, u.name)...)
	case before != u.name:
		return []notice{{room: to, text: renamed(before, u.name)}}
	}
	return nil
}

// drop removes a user of another server, if it still has that name. rooms.mu is held.
func (l *link) drop(p cluster.Presence) []notice {
	s := l.servers[p.Server]
	if s == nil || s.users[p.ID] == nil || s.users[p.ID].name != p.Name {
		return nil // it has been renamed
	}
	u := s.users[p.ID]
	if delete(s.users, u.id); len(s.users) == 0 {
		delete(l.servers, s.id)
	}
	l.rooms.unname(u, u.name)
	l.rooms.vacate(u)
	return l.rooms.greet(u.room, goodbye, u.name)
}
