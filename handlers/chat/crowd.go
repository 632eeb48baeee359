package chat

import "time"

// A crowd is who is in the rooms of other servers, as far as they have said.
type crowd struct {
	servers map[string]*server
	names   map[string]*stranger              // by folded name
	rooms   map[string]map[*stranger]struct{} // by folded name of the room
}

func newCrowd() crowd {
	return crowd{servers: map[string]*server{}, names: map[string]*stranger{}, rooms: map[string]map[*stranger]struct{}{}}
}

// A stranger is a person at another server.
type stranger struct {
	presence
	server *server
}

// A server is another one on the bus.
type server struct {
	id     string
	number uint64    // of its last frame
	seen   time.Time // when that came
	known  bool      // it has said who is there
	people map[uint64]*stranger

	arriving []presence // what has come of its state
	part     int        // what comes next of it
}

// A change is what became of a stranger; either one is empty where there was none.
type change struct{ before, after presence }

// server returns the server that a frame is from, or nil where the frame has come before, or
// is not to be heeded.
func (c *crowd) server(f *frame) (s *server, isNew bool) {
	s = c.servers[f.From]
	switch {
	case s == nil && (f.Kind == farewell || len(c.servers) >= maxServers):
		return nil, false
	case s == nil:
		s, isNew = &server{id: f.From, people: map[uint64]*stranger{}}, true
		c.servers[f.From] = s
	case f.Number <= s.number:
		return nil, false
	}
	s.number, s.seen = f.Number, time.Now()
	return s, isNew
}

// collect takes in a part of the server's state, and returns that when it is whole. It never
// is where a part was lost.
func (s *server) collect(f *frame) (people []presence, whole bool) {
	if f.Part == 0 {
		s.arriving, s.part = nil, 0
	}
	if f.Part != s.part || len(s.arriving)+len(f.People) > maxStrangers {
		s.arriving, s.part = nil, -1
		return nil, false
	}
	s.arriving = append(s.arriving, f.People...)
	s.part++
	if !f.Last {
		return nil, false
	}
	people, s.arriving, s.part = s.arriving, nil, -1
	return people, true
}

// put takes note of who is at s, or is called or placed otherwise there.
func (c *crowd) put(s *server, who presence) change {
	var before presence
	x := s.people[who.ID]
	switch {
	case x != nil:
		before = x.presence
		c.withdraw(x)
	case len(s.people) >= maxStrangers:
		return change{}
	default:
		x = &stranger{server: s}
		s.people[who.ID] = x
	}
	x.presence = who
	c.names[fold(who.Name)] = x
	at := fold(who.Room)
	if c.rooms[at] == nil {
		c.rooms[at] = map[*stranger]struct{}{}
	}
	c.rooms[at][x] = struct{}{}
	return change{before, who}
}

// withdraw takes x out of where it is found.
func (c *crowd) withdraw(x *stranger) {
	if name := fold(x.Name); c.names[name] == x {
		delete(c.names, name)
	}
	at := fold(x.Room)
	delete(c.rooms[at], x)
	if len(c.rooms[at]) == 0 {
		delete(c.rooms, at)
	}
}

func (c *crowd) remove(s *server, id uint64) []change {
	x := s.people[id]
	if x == nil {
		return nil
	}
	c.withdraw(x)
	delete(s.people, id)
	return []change{{before: x.presence}}
}

// forget removes a server and all who are there.
func (c *crowd) forget(id string) []change {
	s := c.servers[id]
	if s == nil {
		return nil
	}
	var changes []change
	for id := range s.people {
		changes = append(changes, c.remove(s, id)...)
	}
	delete(c.servers, id)
	return changes
}
