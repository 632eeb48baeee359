package cluster

import "time"

// Peers are the other servers and their users, as far as they are known.
type Peers struct {
	Servers map[string]*Server // by id

	fold  func(string) string
	names map[string]*RemoteUser              // by folded name
	rooms map[string]map[*RemoteUser]struct{} // by folded name of the room
}

// NewPeers returns empty peers. Names that fold to the same string are the same.
func NewPeers(fold func(string) string) *Peers {
	return &Peers{
		Servers: map[string]*Server{}, fold: fold,
		names: map[string]*RemoteUser{}, rooms: map[string]map[*RemoteUser]struct{}{},
	}
}

// A RemoteUser is a user at another server.
type RemoteUser struct {
	Presence
	Server *Server

	seen time.Time // when it was last announced
}

// A Server is another server on the bus.
type Server struct {
	ID    string
	Known bool // it has announced users other than in a reply

	seen  time.Time // when its last frame arrived
	users map[uint64]*RemoteUser
}

// A Change is a user before and after a frame; either one is zero if there was none.
type Change struct{ Before, After Presence }

// Server returns the sender of a frame, or nil if the frame is to be ignored.
func (p *Peers) Server(f *Frame) (s *Server, isNew bool) {
	s = p.Servers[f.From]
	if isNew = s == nil; isNew {
		if f.Kind == Bye || len(p.Servers) >= maxServers {
			return nil, false
		}
		s = &Server{ID: f.From, users: map[uint64]*RemoteUser{}}
		p.Servers[f.From] = s
	}
	s.seen = time.Now()
	return s, isNew
}

// Put adds a user of s, or changes its name or room.
func (p *Peers) Put(s *Server, user Presence) Change {
	var before Presence
	u := s.users[user.ID]
	switch {
	case u != nil:
		before = u.Presence
		p.unindex(u)
	case len(s.users) >= maxUsers:
		return Change{}
	default:
		u = &RemoteUser{Server: s}
		s.users[user.ID] = u
	}
	u.Presence, u.seen = user, time.Now()
	p.names[p.fold(user.Name)] = u
	room := p.fold(user.Room)
	if p.rooms[room] == nil {
		p.rooms[room] = map[*RemoteUser]struct{}{}
	}
	p.rooms[room][u] = struct{}{}
	return Change{before, user}
}

func (p *Peers) unindex(u *RemoteUser) {
	if name := p.fold(u.Name); p.names[name] == u {
		delete(p.names, name)
	}
	room := p.fold(u.Room)
	delete(p.rooms[room], u)
	if len(p.rooms[room]) == 0 {
		delete(p.rooms, room)
	}
}

// Remove removes a user of s.
func (p *Peers) Remove(s *Server, id uint64) []Change {
	u := s.users[id]
	if u == nil {
		return nil
	}
	p.unindex(u)
	delete(s.users, id)
	return []Change{{Before: u.Presence}}
}

// Forget removes a server and its users.
func (p *Peers) Forget(s *Server) []Change {
	var changes []Change
	for id := range s.users {
		changes = append(changes, p.Remove(s, id)...)
	}
	delete(p.Servers, s.ID)
	return changes
}

// Expire removes the servers and users that have been silent for that time.
func (p *Peers) Expire(silence time.Duration) []Change {
	var changes []Change
	for _, s := range p.Servers {
		if time.Since(s.seen) > silence {
			changes = append(changes, p.Forget(s)...)
			continue
		}
		for id, u := range s.users {
			if time.Since(u.seen) > silence {
				changes = append(changes, p.Remove(s, id)...)
			}
		}
	}
	return changes
}

// Touch counts all servers and users as seen at that time.
func (p *Peers) Touch(at time.Time) {
	for _, s := range p.Servers {
		s.seen = at
		for _, u := range s.users {
			u.seen = at
		}
	}
}

// Find returns the user of that name, or nil.
func (p *Peers) Find(name string) *RemoteUser { return p.names[p.fold(name)] }

// In returns the users in a room.
func (p *Peers) In(room string) map[*RemoteUser]struct{} { return p.rooms[p.fold(room)] }
