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
}

// A Server is another server on the bus.
type Server struct {
	ID    string
	Seen  time.Time // when its last frame arrived
	Known bool      // a whole state has arrived

	number uint64 // of its last frame
	users  map[uint64]*RemoteUser

	arriving []Presence // parts of a state
	part     int        // the next one; -1: none is expected
}

// A Change is a user before and after a frame; either one is zero if there was none.
type Change struct{ Before, After Presence }

// Server returns the sender of a frame, or nil if the frame is a duplicate or to be ignored.
func (p *Peers) Server(f *Frame) (s *Server, isNew bool) {
	s = p.Servers[f.From]
	switch {
	case s == nil && (f.Kind == Bye || len(p.Servers) >= maxServers):
		return nil, false
	case s == nil:
		s, isNew = &Server{ID: f.From, users: map[uint64]*RemoteUser{}}, true
		p.Servers[f.From] = s
	case f.Number <= s.number:
		return nil, false
	}
	s.number, s.Seen = f.Number, time.Now()
	return s, isNew
}

// Collect adds a part of the server's state, and returns the state with its last part. A state of
// which a part was lost is dropped.
func (s *Server) Collect(f *Frame) (users []Presence, whole bool) {
	if f.Part == 0 {
		s.arriving, s.part = nil, 0
	}
	if f.Part != s.part || len(s.arriving)+len(f.Users) > maxUsers {
		s.arriving, s.part = nil, -1
		return nil, false
	}
	s.arriving = append(s.arriving, f.Users...)
	s.part++
	if !f.Last {
		return nil, false
	}
	users, s.arriving, s.part = s.arriving, nil, -1
	return users, true
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
	u.Presence = user
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

// Retain removes all users of s but these.
func (p *Peers) Retain(s *Server, users []Presence) []Change {
	present := map[uint64]bool{}
	for _, u := range users {
		present[u.ID] = true
	}
	var changes []Change
	for id := range s.users {
		if !present[id] {
			changes = append(changes, p.Remove(s, id)...)
		}
	}
	return changes
}

// Forget removes a server and its users.
func (p *Peers) Forget(id string) []Change {
	s := p.Servers[id]
	if s == nil {
		return nil
	}
	delete(p.Servers, id)
	return p.Retain(s, nil)
}

// Find returns the user of that name, or nil.
func (p *Peers) Find(name string) *RemoteUser { return p.names[p.fold(name)] }

// In returns the users in a room.
func (p *Peers) In(room string) map[*RemoteUser]struct{} { return p.rooms[p.fold(room)] }
