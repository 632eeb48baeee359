package room

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/handlers/chat/cluster"
)

// presence describes u to other servers, by a name. rooms.mu is held.
func (l *link) presence(u *user, name string) cluster.Presence {
	return cluster.Presence{Server: l.id, ID: u.id, Named: l.rooms.options.Commands, Name: oneLine.Replace(name), Room: u.room.name}
}

// key is that of a user in the table of all users: its name, which it then has alone, if there are names.
func (l *link) key(u *user, name string) string {
	if l.rooms.options.Commands {
		return "name." + token(name)
	}
	return fmt.Sprintf("id.%s.%d", l.id, u.id)
}

// oneLine is for addresses: a path may have any character.
var oneLine = strings.NewReplacer("\n", `\u000a`, "\t", `\u0009`)

// claim puts u into the table of all users, by a name. u.claiming is held.
func (l *link) claim(u *user, name string) error {
	if l == nil {
		return nil
	}
	l.rooms.mu.Lock()
	key, p := l.key(u, name), l.presence(u, name)
	l.rooms.mu.Unlock()
	return l.bus.Claim(key, p)
}

// release removes u, by a name, from the table of all users. u.claiming is held.
func (l *link) release(u *user, name string) {
	if l != nil {
		l.bus.Release(l.key(u, name))
	}
}

// moved tells other servers that u is in another room.
func (l *link) moved(u *user) {
	u.claiming.Lock()
	defer u.claiming.Unlock()
	_ = l.claim(u, u.name) // if that fails it is done again when the bus is linked
}

// join claims all users again. One whose name another server has got meanwhile is renamed.
func (l *link) join() error {
	r := l.rooms
	r.mu.Lock()
	users := slices.Collect(maps.Keys(r.here))
	r.mu.Unlock()
	for _, u := range users {
		if err := l.rejoin(u); err != nil {
			return err
		}
	}
	return nil
}

func (l *link) rejoin(u *user) error {
	u.claiming.Lock()
	defer u.claiming.Unlock()
	r := l.rooms
	r.mu.Lock()
	_, isHere := r.here[u]
	before := u.name
	r.mu.Unlock()
	if !isHere {
		return nil
	}
	err := l.claim(u, before)
	if !errors.Is(err, cluster.ErrTaken) {
		return err
	}
	r.nameGuest(u)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range l.servers {
		for _, other := range s.users {
			if fold(other.name) == fold(before) {
				r.names[fold(before)] = other
			}
		}
	}
	l.late = append(l.late,
		notice{room: u.room, to: u.Member, text: fmt.Appendf(nil, "-- the name %s is taken at another server; you are now %s, choose another name\n", before, u.name)},
		notice{room: u.room, except: u.Member, text: renamed(before, u.name)})
	return nil
}

// present is called when a user of another server has come or changed.
func (l *link) present(p cluster.Presence) {
	switch {
	case p.Named != l.rooms.options.Commands:
		l.warnOnce(otherCommands, "server_id", p.Server)
		return
	case !isName(p.Room) || !l.isUserName(p.Name):
		l.warnOnce("another program uses the bucket of the bus; its users are ignored", "server_id", p.Server)
		return
	}
	l.tell(func() []notice { return l.put(p) })
}

// absent is called when a user of another server has left.
func (l *link) absent(p cluster.Presence) { l.tell(func() []notice { return l.drop(p) }) }

// tell makes a change and delivers its notices, or keeps them until the servers are linked.
func (l *link) tell(change func() []notice) {
	l.rooms.mu.Lock()
	notices := change()
	if !l.linked {
		l.late = append(l.late, notices...)
		notices = nil
	}
	l.rooms.mu.Unlock()
	l.rooms.post(notices)
}
