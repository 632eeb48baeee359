package room

import (
	"fmt"
	"strings"

	"github.com/go-socketserver/socketserver/framework/hub"
	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// A notice is what users here receive because of a frame.
type notice struct {
	room    *room
	to      *hub.Member // nil: every user in the room
	except  *hub.Member // except this one, which may be nil
	text    []byte
	message bool // it belongs to the history
}

// post delivers notices. It is called without r.mu, as a busy hub makes it wait.
func (r *rooms) post(notices []notice) {
	for _, n := range notices {
		switch {
		case n.to != nil:
			n.room.hub.Send(n.to, n.text)
		case n.message:
			r.broadcast(n.room, nil, n.text)
		default:
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

// merge adds the users in a frame of s. If a user here has the same name, the one that took it
// first keeps it; the other one is renamed by its own server. Those who were at s before this
// server came are not announced. rooms.mu is held.
func (l *link) merge(s *server, f *cluster.Frame) []notice {
	s.known = s.known || !f.Reply
	var all []notice
	for _, remote := range f.Users {
		if remote.ID == 0 {
			continue
		}
		notices := l.put(s, remote)
		if s.known {
			all = append(all, notices...)
		}
		u := l.rooms.names[fold(remote.Name)]
		switch {
		case u == nil || u.server != nil:
		case remote.Since < u.since || remote.Since == u.since && s.id < l.id:
			all = append(all, l.rename(u)...)
			l.rooms.names[fold(remote.Name)] = s.users[remote.ID]
		default: // s may not know of u
			_ = l.send(s.id, &cluster.Frame{Kind: cluster.Came, Users: []cluster.Presence{u.presence()}})
		}
	}
	return all
}

// rename gives u another name, as its own is taken at another server. rooms.mu is held.
func (l *link) rename(u *user) []notice {
	r, before := l.rooms, u.name
	r.setName(u, r.guestName())
	return []notice{
		{room: u.room, to: u.Member, text: fmt.Appendf(nil, "-- the name %s is taken at another server; you are now %s, choose another name\n", before, u.name)},
		{room: u.room, except: u.Member, text: renamed(before, u.name)},
	}
}

// presence describes u to other servers. rooms.mu is held.
func (u *user) presence() cluster.Presence {
	return cluster.Presence{ID: u.id, Name: oneLine.Replace(u.name), Room: u.room.name, Since: u.since}
}

// oneLine is for addresses: a path may have any character.
var oneLine = strings.NewReplacer("\n", `\u000a`, "\t", `\u0009`)

// share tells other servers that u has come, or has changed its name or room. r.mu is held.
func (r *rooms) share(u *user) {
	if r.link == nil {
		return
	}
	if u.id == 0 {
		r.link.lastID++
		u.id = r.link.lastID
	}
	_ = r.link.send("", &cluster.Frame{Kind: cluster.Came, Users: []cluster.Presence{u.presence()}})
}

// unshare tells other servers that u has left its room. r.mu is held.
func (r *rooms) unshare(u *user) {
	if r.link != nil {
		_ = r.link.send("", &cluster.Frame{Kind: cluster.Gone, Users: []cluster.Presence{{ID: u.id}}})
	}
}

// byID returns the user that other servers know by that number. r.mu is held.
func (r *rooms) byID(id uint64) *user {
	for _, in := range r.open {
		for u := range in.users {
			if u.id == id {
				return u
			}
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
