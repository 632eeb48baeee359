package room

import (
	"time"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

const (
	maxServers = 1000
	maxUsers   = 100_000 // of one server
)

// A server is another server on the bus. It and its users are guarded by rooms.mu.
type server struct {
	id    string
	seen  time.Time // when its last frame arrived
	known bool      // it has announced users other than in a reply
	users map[uint64]*user
}

// sender returns the sender of a frame, or nil if the frame is to be ignored. rooms.mu is held.
func (l *link) sender(f *cluster.Frame) (s *server, isNew bool) {
	s = l.servers[f.From]
	if isNew = s == nil; isNew {
		if f.Kind == cluster.Bye || len(l.servers) >= maxServers {
			return nil, false
		}
		s = &server{id: f.From, users: map[uint64]*user{}}
		l.servers[f.From] = s
	}
	s.seen = time.Now()
	return s, isNew
}

// put adds a user of s, or changes its name or room. rooms.mu is held.
func (l *link) put(s *server, p cluster.Presence) []notice {
	r, u := l.rooms, s.users[p.ID]
	if u == nil {
		if len(s.users) >= maxUsers {
			return nil
		}
		u = &user{id: p.ID, server: s}
		s.users[p.ID] = u
	}
	before, from, to := u.name, u.room, r.opened(p.Room)
	if from != to {
		r.vacate(u)
		to.remote[u] = struct{}{}
	}
	r.unname(u)
	u.name, u.room, u.since, u.seen = p.Name, to, p.Since, time.Now()
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

// drop removes a user of another server. rooms.mu is held.
func (l *link) drop(u *user) []notice {
	delete(u.server.users, u.id)
	l.rooms.unname(u)
	l.rooms.vacate(u)
	return l.rooms.greet(u.room, goodbye, u.name)
}

// forget removes a server and its users. rooms.mu is held.
func (l *link) forget(s *server) []notice {
	var all []notice
	for _, u := range s.users {
		all = append(all, l.drop(u)...)
	}
	delete(l.servers, s.id)
	return all
}

// expire removes the servers and users that have been silent. rooms.mu is held.
func (l *link) expire() []notice {
	var all []notice
	for _, s := range l.servers {
		if time.Since(s.seen) > silence {
			all = append(all, l.forget(s)...)
			continue
		}
		for _, u := range s.users {
			if time.Since(u.seen) > silence {
				all = append(all, l.drop(u)...)
			}
		}
	}
	return all
}

// touch counts all servers and users as seen at that time. rooms.mu is held.
func (l *link) touch(at time.Time) {
	for _, s := range l.servers {
		s.seen = at
		for _, u := range s.users {
			u.seen = at
		}
	}
}
