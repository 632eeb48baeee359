package chat

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A notice is what members are told because of what other servers say.
type notice struct {
	place *room
	to    *person // nil: everybody in the room
	but   *person // except this one, who may be nil
	text  []byte
	said  bool // it is a message, which newcomers are sent too
}

// post tells members what there is to tell. It is called without rooms.mu, as a hub that has
// much to deliver makes it wait.
func (r *rooms) post(news []notice) {
	for _, n := range news {
		switch {
		case n.to != nil:
			n.place.hub.Send(n.to.Member, n.text)
		case n.said:
			r.hear(n.place, nil, n.text)
		case n.but != nil:
			n.place.hub.Broadcast(n.but.Member, n.text)
		default:
			n.place.hub.Broadcast(nil, n.text)
		}
	}
}

// tellOf makes notices of what became of strangers, in the rooms where they were or are.
// rooms.mu is held.
func (r *rooms) tellOf(changes []change) []notice {
	var news []notice
	tell := func(at string, text []byte) {
		if place := r.open[fold(at)]; place != nil {
			news = append(news, notice{place: place, text: text})
		}
	}
	for _, c := range changes {
		was, is := c.before, c.after
		if was.ID == is.ID && fold(was.Room) == fold(is.Room) {
			if was.Name != is.Name {
				tell(is.Room, renamed(was.Name, is.Name))
			}
			continue
		}
		if was.ID != 0 && r.options.Greeting {
			tell(was.Room, r.notice(goodbye, was.Name))
		}
		if is.ID != 0 && r.options.Greeting {
			tell(is.Room, r.notice(greeting, is.Name))
		}
	}
	return news
}

// meet takes note of people at s. A name that somebody has here too is whose it was first;
// the other one is given another name, and told. rooms.mu is held.
func (l *link) meet(s *server, people []presence) []notice {
	r := l.rooms
	var news []notice
	for _, who := range people {
		if who.ID == 0 {
			continue
		}
		news = append(news, r.tellOf([]change{l.crowd.put(s, who)})...)
		p := r.names[fold(who.Name)]
		switch {
		case p == nil:
		case who.Since < p.since || who.Since == p.since && s.id < l.id:
			news = append(news, l.yield(p)...)
		default:
			l.send(s.id, &frame{Kind: came, People: []presence{p.presence()}}) // it may not know
		}
	}
	return news
}

// yield gives p another name, as somebody has its name at another server. rooms.mu is held.
func (l *link) yield(p *person) []notice {
	r, before := l.rooms, p.name
	r.call(p, r.freeName())
	return []notice{
		{place: p.room, to: p, text: fmt.Appendf(nil, "-- the name %s is taken at another server; you are now %s, choose another name\n", before, p.name)},
		{place: p.room, but: p, text: renamed(before, p.name)},
	}
}

// replace makes people those who are at s. quietly, nobody is told who is there already: it
// is this server that has come. rooms.mu is held.
func (l *link) replace(s *server, people []presence, quietly bool) []notice {
	there := map[uint64]bool{}
	for _, who := range people {
		there[who.ID] = true
	}
	var changes []change
	for id := range s.people {
		if !there[id] {
			changes = append(changes, l.crowd.remove(s, id)...)
		}
	}
	news := l.rooms.tellOf(changes)
	quietly = quietly && !s.known
	s.known = true
	if !quietly {
		return append(news, l.meet(s, people)...)
	}
	for _, n := range l.meet(s, people) {
		if n.to != nil || n.but != nil { // of a name that is taken
			news = append(news, n)
		}
	}
	return news
}

// presence is what other servers are told about p. rooms.mu is held.
func (p *person) presence() presence {
	return presence{ID: p.id, Name: oneLine.Replace(p.name), Room: p.room.name, Since: p.since}
}

// oneLine is for addresses: a path may have any character.
var oneLine = strings.NewReplacer("\n", `\u000a`, "\t", `\u0009`)

// share tells other servers that p is here, or is called or placed otherwise. rooms.mu is
// held.
func (r *rooms) share(p *person) {
	if r.link == nil {
		return
	}
	if p.id == 0 {
		r.link.lastGiven++
		p.id = r.link.lastGiven
	}
	r.link.send("", &frame{Kind: came, People: []presence{p.presence()}})
}

// unshare tells other servers that p has left its room. rooms.mu is held.
func (r *rooms) unshare(p *person) {
	if r.link != nil {
		r.link.send("", &frame{Kind: gone, People: []presence{{ID: p.id}}})
	}
}

// call gives p a name that is free. rooms.mu is held.
func (r *rooms) call(p *person, name string) {
	if r.names[fold(p.name)] == p {
		delete(r.names, fold(p.name))
	}
	p.name, p.since = name, time.Now().UnixNano()
	r.names[fold(name)] = p
	if _, in := p.room.people[p]; in {
		r.share(p)
	}
}

// freeName returns the name of a guest that nobody has. With other servers the numbers are
// taken at random, as all of them would begin with the same ones. rooms.mu is held.
func (r *rooms) freeName() string {
	for {
		r.guests++
		n := r.guests
		if r.link != nil {
			n = 1 + rand.IntN(999_999)
		}
		if name := fmt.Sprintf("guest%d", n); r.isFree(name, nil) {
			return name
		}
	}
}

// isFree says whether nobody but p has that name, here or at another server. rooms.mu is
// held.
func (r *rooms) isFree(name string, p *person) bool {
	if other := r.names[fold(name)]; other != nil && other != p {
		return false
	}
	return r.link == nil || r.link.crowd.names[fold(name)] == nil
}

// byID returns the person that other servers know by that number. rooms.mu is held.
func (r *rooms) byID(id uint64) *person {
	for _, place := range r.open {
		for p := range place.people {
			if p.id == id {
				return p
			}
		}
	}
	return nil
}

// away are those in a room who are at other servers and can be reached. rooms.mu is held.
func (r *rooms) away(place *room) map[*stranger]struct{} {
	if r.link == nil || !r.link.linked {
		return nil
	}
	return r.link.crowd.rooms[fold(place.name)]
}

// whisperAway sends a message to one person at another server.
func (r *rooms) whisperAway(name string, message []byte) (known, reached bool) {
	if r.link == nil {
		return false, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.link.crowd.names[fold(name)]
	if x == nil {
		return false, false
	}
	if r.link.linked {
		r.link.send(x.server.id, &frame{Kind: whispers, To: x.ID, Text: message})
	}
	return true, r.link.linked
}
