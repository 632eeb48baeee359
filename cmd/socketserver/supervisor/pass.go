package supervisor

import (
	"context"
	"errors"
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

// Pass returns the open sockets for another process. The caller closes them.
func (s *Supervisor) Pass() (all []Passed, err error) {
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

// Adopt has servers use the sockets that another process has passed to this one. It is called
// before Apply; until Own is called that process owns their files.
func (s *Supervisor) Adopt(all []Passed) error {
	k := s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range all {
		if p.Manager {
			k.inherited = append(k.inherited, p.Socket)
			continue
		}
		socket, err := framework.InheritSocket(p.Network, p.File, p.Options)
		_ = p.File.Close()
		if err != nil {
			return fmt.Errorf("adopt the socket %s %s: %w", p.Network, p.Address, err)
		}
		key := socketKey{p.Network, p.Address, p.Owner}
		k.open[key] = &Socket{Socket: socket, key: key, options: p.Options, lock: p.Lock}
	}
	return nil
}

// Own takes over the files of adopted sockets, and closes the sockets that no server uses.
func (s *Supervisor) Own() {
	k := s.sockets
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, open := range k.open {
		if open.lock != nil {
			open.Own(open.lock)
			open.lock = nil
		}
		k.closeUnused(open)
	}
}

// Leave leaves the files of all sockets to the process that has adopted them, and retires every
// server, without a drain timeout, also where their plugins have replace.drain. Run returns when their requests are over.
func (s *Supervisor) Leave() error {
	k := s.sockets
	k.mu.Lock()
	var errs []error
	for _, open := range k.open {
		errs = append(errs, open.Disown())
	}
	k.mu.Unlock()
	s.beside.retire(0)
	s.warnAboutStates()
	for _, i := range s.running() {
		i.Retire(true, 0)
	}
	return errors.Join(errs...)
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
