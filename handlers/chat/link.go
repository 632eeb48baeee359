package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	announceEvery = 2 * time.Second
	silence       = 10 * time.Second // a server that says nothing for so long is forgotten
	relinkGrace   = 2 * time.Second  // or where the link was lost, for so long after it has come back
)

// A link joins the rooms of a class to those of other servers, over a bus. What is said goes
// to them as it is said. Who is there is told when it changes, and as a whole at intervals,
// when the link is there again, and to who asks; so that what was lost is right again soon.
//
// A frame of presence is sent while rooms.mu is held, so that the order of frames is that of
// the changes.
type link struct {
	rooms *rooms
	log   hclog.Logger

	// What comes from the bus is done one after the other.
	mu     sync.Mutex
	warned map[string]bool // of what has been logged once
	done   chan struct{}   // closed when the link is; nil: it is not open

	// Guarded by rooms.mu.
	linked    bool
	crowd     crowd
	lastGiven uint64 // the last id of a person here

	sending sync.Mutex // the numbers of frames are in the order in which they are sent
	id      string
	bus     Bus // nil: it is not open
	number  uint64
}

func newLink(r *rooms) *link { return &link{rooms: r} }

// open links the rooms. It returns when the first attempt to do so is over.
func (l *link) open(_ string, log hclog.Logger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := fmt.Sprintf("%016x", rand.Uint64())
	bus, linked, err := Buses.Open(l.rooms.options.Bus, Station{
		ID: id, Log: log,
		Receive: func(data []byte) { l.receive(id, data) },
		Linked:  func(linked bool) { l.changed(id, linked) },
	})
	if err != nil {
		return fmt.Errorf("open the bus: %w", err)
	}
	l.log, l.warned, l.done = log, map[string]bool{}, make(chan struct{})
	l.sending.Lock()
	l.id, l.bus, l.number = id, bus, 0
	l.sending.Unlock()
	l.rooms.mu.Lock()
	l.linked, l.crowd = linked, newCrowd()
	l.rooms.open[fold(lobby)].unlinked = !linked // nobody is in it yet
	l.announce("", true)
	l.rooms.mu.Unlock()
	go l.run(l.done)
	return nil
}

// close tells the others that this server ends, and closes the bus. Nobody is in the rooms
// any more.
func (l *link) close() error {
	l.mu.Lock()
	done := l.done
	l.done = nil
	l.mu.Unlock()
	if done == nil {
		return nil // it was opened in other processes
	}
	close(done)
	l.send("", &frame{Kind: farewell})
	l.sending.Lock()
	bus := l.bus
	l.bus = nil
	l.sending.Unlock()
	return bus.Close()
}

// run does what is done at intervals.
func (l *link) run(done chan struct{}) {
	tick := time.NewTicker(announceEvery)
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

// tick says who is here, and forgets servers that say no more who is there.
func (l *link) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms
	r.mu.Lock()
	var news []notice
	if l.linked {
		l.announce("", false)
		for id, s := range l.crowd.servers {
			if time.Since(s.seen) > silence {
				news = append(news, r.tellOf(l.crowd.forget(id))...)
			}
		}
	}
	r.mu.Unlock()
	r.post(news)
}

// changed is called when the link is there again, or not any more. Members are told, and
// then see each other here.
func (l *link) changed(id string, linked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rooms
	r.mu.Lock()
	if l.done == nil || id != l.id || linked == l.linked {
		r.mu.Unlock()
		return
	}
	l.linked = linked
	text := []byte(unlinkedText)
	if linked {
		text = []byte(linkedText)
		for _, s := range l.crowd.servers {
			s.seen = time.Now().Add(relinkGrace - silence)
		}
		l.announce("", true)
	}
	places := slices.Collect(maps.Values(r.open))
	r.mu.Unlock()
	for _, place := range places {
		place.mu.Lock()
		place.unlinked = !linked
		place.hub.Broadcast(nil, text)
		place.mu.Unlock()
	}
}

// What members are told about the link.
const (
	unlinkedText = "-- not linked to other servers\n"
	linkedText   = "-- linked to other servers\n"
)

// send sends a frame to one server, or to all others.
func (l *link) send(to string, f *frame) {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.bus == nil {
		return
	}
	l.number++
	f.From, f.Number, f.Named = l.id, l.number, l.rooms.options.Commands
	data, err := json.Marshal(f)
	if err != nil {
		panic(err) // a frame has nothing that could not be written
	}
	l.bus.Send(to, data)
}

// announce says who is here, in parts. rooms.mu is held.
func (l *link) announce(to string, ask bool) {
	f := frame{Kind: state, Ask: ask, Reply: to != "" && !ask}
	for _, place := range l.rooms.open {
		for p := range place.people {
			if len(f.People) == maxPart {
				l.send(to, &f)
				f.Part, f.People = f.Part+1, nil
			}
			f.People = append(f.People, p.presence())
		}
	}
	f.Last = true
	l.send(to, &f)
}

// receive does what a frame of the bus says.
func (l *link) receive(id string, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil || id != l.id {
		return
	}
	r := l.rooms
	f, err := parseFrame(data, r.options)
	if err != nil {
		l.warnOnce("something else than a chat server uses the subjects of the bus; it is ignored", "found", err)
		return
	}
	if f.From == l.id {
		return
	}
	if f.Named != r.options.Commands {
		l.warnOnce("a server on the bus has another setting of commands; its rooms are not joined", "server_id", f.From)
		return
	}
	r.mu.Lock()
	s, isNew := l.crowd.server(f)
	if s == nil {
		r.mu.Unlock()
		return
	}
	if isNew && f.Kind != state {
		l.announce(f.From, true) // who is there is not known yet
	}
	news := l.take(s, f)
	r.mu.Unlock()
	r.post(news)
}

func (l *link) warnOnce(message string, args ...any) {
	if !l.warned[message] {
		l.warned[message] = true
		l.log.Warn(message, args...)
	}
}

// take returns what members are told because of a frame of s. rooms.mu is held.
func (l *link) take(s *server, f *frame) []notice {
	r := l.rooms
	switch f.Kind {
	case says:
		if place := r.open[fold(f.Room)]; place != nil && len(f.Text) > 0 {
			return []notice{{place: place, text: f.Text, said: true}}
		}
	case whispers:
		if p := r.byID(f.To); p != nil && len(f.Text) > 0 {
			return []notice{{place: p.room, to: p, text: f.Text}}
		}
	case farewell:
		return r.tellOf(l.crowd.forget(f.From))
	case gone:
		var changes []change
		for _, who := range f.People {
			changes = append(changes, l.crowd.remove(s, who.ID)...)
		}
		return r.tellOf(changes)
	case came:
		return l.meet(s, f.People)
	case state:
		if f.Last && f.Ask {
			l.announce(f.From, false)
		}
		people, whole := s.collect(f)
		if !whole {
			return nil
		}
		return l.replace(s, people, f.Reply)
	}
	return nil
}
