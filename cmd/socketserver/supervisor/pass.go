package supervisor

import (
	"context"
	"fmt"
	"os"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/framework"
)

// A Passed is an open socket on its way to the process that takes the place of this one.
type Passed struct {
	systemd.Socket        // its Address is that of the configuration, with port 0
	Manager        bool   // a service manager has opened it, and owns its file
	Owner          string // tells sockets with port 0 apart
	Options        framework.SocketOptions
	Lock           *os.File // of the file of a Unix socket; nil: none
}

// Close closes the descriptors, except those of a service manager, which stay open.
func (p *Passed) Close() {
	if !p.Manager {
		_ = p.File.Close()
		_ = p.Lock.Close()
	}
}

// HandOver has start start the process that takes the place of this one, with the open sockets and the
// names of suspended servers. If that succeeds it leaves the sockets to that process, and retires every
// server, without a drain timeout, also where their plugins have replace.drain. Run returns when their
// requests are over. Meanwhile nothing is applied and the operator does nothing, so that what the process
// was told stays true.
func (s *Supervisor) HandOver(start func(sockets []Passed, suspended []string) error) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	sockets, err := s.pass()
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range sockets {
			p.Close()
		}
	}()
	var suspended []string
	for _, i := range s.running() {
		if i.is(Suspended) {
			suspended = append(suspended, i.name)
		}
	}
	if err := start(sockets, suspended); err != nil {
		return err
	}
	s.leave()
	return nil
}

// pass returns the open sockets for another process. The caller closes them.
func (s *Supervisor) pass() (all []Passed, err error) {
	k := s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, i := range k.inherited {
		all = append(all, Passed{Socket: i, Manager: true})
	}
	for key, open := range k.open {
		if k.find(key.network, key.address) != nil {
			continue
		}
		p := Passed{Socket: systemd.Socket{Network: key.network, Address: key.address}, Owner: key.owner, Options: open.options}
		if p.File, p.Lock, err = open.Files(); err != nil {
			for _, p := range all {
				p.Close()
			}
			return nil, fmt.Errorf("pass on the socket %s %s: %w", key.network, key.address, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Adopt has servers use the sockets that another process has passed to this one, and be suspended if it
// has suspended them. It is called before Apply; until Own is called that process owns the sockets, and
// may go on with them as if nothing had happened.
func (s *Supervisor) Adopt(all []Passed, suspended []string) error {
	s.suspended = suspended
	k := s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	k.adopting = len(all) > 0
	for _, p := range all {
		if p.Manager {
			k.inherited = append(k.inherited, p.Socket)
			continue
		}
		socket, err := k.inherit(p.Network, p.File, p.Options)
		_ = p.File.Close()
		if err != nil {
			return fmt.Errorf("adopt the socket %s %s: %w", p.Network, p.Address, err)
		}
		key := socketKey{p.Network, p.Address, p.Owner}
		k.open[key] = &Socket{Socket: socket, key: key, options: p.Options, lock: p.Lock}
	}
	return nil
}

// Own takes over adopted sockets, has them agree with whether their servers are suspended, and closes
// those that no server uses. Without adopted sockets it does nothing.
func (s *Supervisor) Own() {
	s.applying.Lock()
	defer s.applying.Unlock()
	s.suspended = nil
	if !s.sockets.own() {
		return
	}
	for _, i := range s.running() {
		if i.is(Serving) || i.is(Suspended) {
			i.settle(i.is(Suspended))
		}
	}
}

// own reports whether there was something to take over.
func (k *Sockets) own() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.adopting {
		return false
	}
	k.adopting = false
	for _, open := range k.open {
		open.Own(open.lock)
		open.lock = nil
		k.closeUnused(open)
	}
	return true
}

// leave leaves all sockets to the process that has adopted them.
func (s *Supervisor) leave() {
	k := s.sockets
	k.mu.Lock()
	for _, open := range k.open {
		if err := open.Disown(); err != nil {
			s.options.Log.Warn("cannot leave a socket to the new process", "error", err)
		}
	}
	k.mu.Unlock()
	s.beside.retire(0)
	s.warnAboutStates()
	for _, i := range s.running() {
		i.Retire(true, 0)
	}
}

// Open opens a socket that is none of a server, such as the admin socket, in the way of theirs:
// it is passed on with them. The caller calls Release.
func (s *Supervisor) Open(network, address, owner string, o framework.SocketOptions) (*Socket, error) {
	return s.sockets.get(socketKey{network, address, owner}, address, o)
}

// OpenAll is Open for every address that the transport's means, as for a server.
func (s *Supervisor) OpenAll(ctx context.Context, t config.Transport, owner string) ([]*Socket, error) {
	return s.sockets.Acquire(ctx, t, owner, s.options.Log)
}

// Release closes sockets of Open and OpenAll.
func (s *Supervisor) Release(sockets ...*Socket) { s.sockets.Release(sockets) }
