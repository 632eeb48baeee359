package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
)

// Sockets are open sockets by network and address. They outlive the servers that use them:
// one that is acquired again before it is released stays open, so that a server can take the
// place of another one without a gap.
type Sockets struct {
	mu   sync.Mutex
	open map[socketKey]*Socket
}

// socketKey finds a socket. The address is the configured one, of a host name each of its
// addresses. Of those with port 0 every transport has its own, and keeps its port.
type socketKey struct{ network, address, owner string }

// A Socket is one of Sockets. It is closed when its last user releases it.
type Socket struct {
	*framework.Socket
	key     socketKey
	options framework.SocketOptions
	users   int
}

// NewSockets returns a table without sockets.
func NewSockets() *Sockets { return &Sockets{open: map[socketKey]*Socket{}} }

// Acquire returns the sockets of a transport, or none and an error. Those that are not open
// yet are opened, on every address that the transport's means, except those of a family that
// this machine does not have. owner tells transports with port 0 apart.
func (k *Sockets) Acquire(ctx context.Context, t config.Transport, owner string, log hclog.Logger) ([]*Socket, error) {
	o := &opening{sockets: k, transport: t, owner: owner, log: log}
	if err := o.openAll(ctx); err != nil {
		k.Release(o.opened)
		return nil, err
	}
	return o.opened, nil
}

// Release gives back sockets that were acquired.
func (k *Sockets) Release(sockets []*Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range sockets {
		if s.users--; s.users == 0 {
			delete(k.open, s.key)
			_ = s.Close()
		}
	}
}

// find acquires a socket that is open; nil: there is none.
func (k *Sockets) find(key socketKey, o framework.SocketOptions) (*Socket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.open[key]
	if s == nil {
		return nil, nil
	}
	if s.options != o {
		return nil, fmt.Errorf("%s %s: the options of an open socket cannot be changed; restart to change them", key.network, key.address)
	}
	s.users++
	return s, nil
}

func (k *Sockets) add(s *Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[s.key] = s
}

// opening is the work of Acquire.
type opening struct {
	sockets   *Sockets
	transport config.Transport
	owner     string
	log       hclog.Logger
	opened    []*Socket
}

func (o *opening) openAll(ctx context.Context) error {
	t := o.transport
	if t.Network != "tcp" && t.Network != "udp" {
		return o.open(socketKey{network: t.Network, address: t.Address}, t.Address)
	}
	addresses, err := resolve(ctx, t.Network, t.Address)
	if err != nil {
		return err
	}
	if addresses[0].Port() == 0 {
		return o.openSamePort(addresses)
	}
	return o.openEach(addresses, func(a netip.AddrPort) socketKey {
		return socketKey{network: t.Network, address: a.String()}
	})
}

// ownPort is the key of an address with port 0, whatever port it has got.
func (o *opening) ownPort(a netip.AddrPort) socketKey {
	return socketKey{o.transport.Network, netip.AddrPortFrom(a.Addr(), 0).String(), o.owner}
}

func (o *opening) openEach(addresses []netip.AddrPort, key func(netip.AddrPort) socketKey) error {
	var missing error
	before := len(o.opened)
	for _, a := range addresses {
		err := o.open(key(a), a.String())
		switch {
		case err == nil:
		case familyMissing(err) && len(addresses) > 1:
			missing = errors.Join(missing, err)
		default:
			return err
		}
	}
	if len(o.opened) == before {
		return missing
	}
	if missing != nil {
		o.warnMissing(missing)
	}
	return nil
}

// openSamePort finds one port that is free on all addresses: the system chooses it for
// the first one.
func (o *opening) openSamePort(addresses []netip.AddrPort) error {
	if found, err := o.findOwnPort(addresses); found || err != nil {
		return err
	}
	const attempts = 20
	var err error
	for range attempts {
		if err = o.open(o.ownPort(addresses[0]), addresses[0].String()); err != nil {
			if familyMissing(err) && len(addresses) > 1 {
				o.warnMissing(err)
				return o.openSamePort(addresses[1:])
			}
			return err
		}
		port, _ := portOf(o.opened[0].Addr().String())
		rest := make([]netip.AddrPort, 0, len(addresses))
		for _, a := range addresses[1:] {
			rest = append(rest, netip.AddrPortFrom(a.Addr(), uint16(port)))
		}
		if len(rest) == 0 {
			return nil
		}
		switch err = o.openEach(rest, o.ownPort); {
		case err == nil:
			return nil
		case familyMissing(err):
			o.warnMissing(err)
			return nil
		}
		o.sockets.Release(o.opened)
		o.opened = nil
	}
	return fmt.Errorf("no port is free on all addresses of %s: %w", o.transport.Address, err)
}

// findOwnPort acquires the sockets that the transport has from before.
func (o *opening) findOwnPort(addresses []netip.AddrPort) (bool, error) {
	for _, a := range addresses {
		s, err := o.sockets.find(o.ownPort(a), o.options(a.String()))
		if err != nil {
			return false, err
		}
		if s != nil {
			o.opened = append(o.opened, s)
		}
	}
	return len(o.opened) > 0, nil
}

func (o *opening) warnMissing(err error) {
	o.log.Warn("not listening on an address that this machine does not have", "error", err)
}

// options are those of the socket at address: each family has its own.
func (o *opening) options(address string) framework.SocketOptions {
	options := o.transport.SocketOptions
	a, err := netip.ParseAddrPort(address)
	options.IPv6Only = err == nil && a.Addr().Is6()
	return options
}

// open acquires one socket.
func (o *opening) open(key socketKey, address string) error {
	options := o.options(address)
	s, err := o.sockets.find(key, options)
	if err != nil {
		return err
	}
	if s == nil {
		socket, err := framework.OpenSocket(key.network, address, options)
		if err != nil {
			return &openError{listenError(key.network, address, err), err}
		}
		s = &Socket{Socket: socket, key: key, options: options, users: 1}
		o.sockets.add(s)
	}
	o.opened = append(o.opened, s)
	return nil
}

// openError shows what to do and keeps the cause.
type openError struct{ shown, cause error }

func (e *openError) Error() string { return e.shown.Error() }
func (e *openError) Unwrap() error { return e.cause }
