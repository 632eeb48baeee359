package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/framework"
)

// Sockets are open sockets by network and address. They outlive the servers that use them:
// one that is acquired again before its last user releases it stays open, so that a server can
// take the place of another one without a gap.
type Sockets struct {
	mu        sync.Mutex
	open      map[socketKey]*Socket
	inherited []systemd.Socket
	adopting  bool // another process owns those that it has, too, until Own
}

// socketKey finds a socket. address is as configured, one key for each that a host name means.
// Transports with port 0 have a key each, by their owner, and so keep their port.
type socketKey struct{ network, address, owner string }

// A Socket is one of [Sockets].
type Socket struct {
	*framework.Socket
	key     socketKey
	options framework.SocketOptions
	users   int // the last of which closes it

	announced bool     // it was logged
	lock      *os.File // of an adopted one, until its file is owned
}

// Acquire returns the sockets of a transport, opening those that are not open. They are one for
// each address that the transport's means, except those of a family that this machine does not
// have. owner tells transports with port 0 apart. On an error nothing is acquired.
func (k *Sockets) Acquire(ctx context.Context, t config.Transport, owner string, log hclog.Logger) ([]*Socket, error) {
	if sockets, ok, err := k.acquireNamed(t); ok {
		return sockets, err
	}
	if !config.HasIP(t.Network) {
		key := socketKey{t.Network, t.Address, ""}
		if t.Network == "vsock" && strings.HasSuffix(t.Address, ":0") {
			key.owner = owner
		}
		s, err := k.get(key, t.Address, t.SocketOptions)
		if err != nil {
			return nil, listenError(t.Network, t.Address, err)
		}
		return []*Socket{s}, nil
	}
	addresses, err := resolve(ctx, t.Address)
	if err != nil {
		return nil, err
	}
	const attempts = 20 // to find a port that is free on all addresses
	for attempt := 1; ; attempt++ {
		sockets, missing, err := k.acquire(t, addresses, owner)
		switch {
		case err == nil && missing != nil:
			log.Warn("not listening on an address that this machine does not have", "error", missing)
			fallthrough
		case err == nil:
			return sockets, nil
		}
		k.Release(sockets)
		if len(sockets) == 0 || addresses[0].Port() != 0 {
			return nil, err
		}
		if attempt == attempts {
			return nil, fmt.Errorf("no port is free on all addresses of %s: %w", t.Address, err)
		}
	}
}

// acquire acquires sockets until there is an error. missing is of the addresses that this machine
// does not have.
func (k *Sockets) acquire(t config.Transport, addresses []netip.AddrPort, owner string) (sockets []*Socket, missing, err error) {
	missing, err = onAll(t, addresses, func(a, open netip.AddrPort, o framework.SocketOptions) (uint16, error) {
		if k.covered(t.Network, a, addresses) {
			return a.Port(), nil
		}
		key := socketKey{t.Network, a.String(), ""}
		if a.Port() == 0 {
			key.owner = owner
		}
		s, err := k.get(key, open.String(), o)
		if err != nil {
			return 0, err
		}
		sockets = append(sockets, s)
		return netip.MustParseAddrPort(s.Addr().String()).Port(), nil
	})
	return sockets, missing, err
}

// onAll calls try for the addresses of a transport until there is an error: for the address as
// configured, and as it is to be opened. The port that the first call returns is that of the
// others. missing is of the addresses that this machine does not have, unless it has none of them.
func onAll(t config.Transport, addresses []netip.AddrPort, try func(a, open netip.AddrPort, o framework.SocketOptions) (port uint16, err error)) (missing, err error) {
	port, found := addresses[0].Port(), false
	for _, a := range addresses {
		open, o := netip.AddrPortFrom(a.Addr(), port), t.SocketOptions
		o.IPv6Only = a.Addr().Is6()
		n, err := try(a, open, o)
		switch {
		case err == nil:
			port, found = n, true
		case familyMissing(err) && len(addresses) > 1:
			missing = errors.Join(missing, listenError(t.Network, open.String(), err))
		default:
			return nil, listenError(t.Network, open.String(), err)
		}
	}
	if !found {
		return nil, missing
	}
	return missing, nil
}

// get acquires one socket.
func (k *Sockets) get(key socketKey, address string, o framework.SocketOptions) (*Socket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.open[key]
	if s == nil {
		socket, err := k.openOrInherit(key.network, address, o)
		if err != nil {
			return nil, err
		}
		s = &Socket{Socket: socket, key: key, options: o}
		k.open[key] = s
	}
	if s.options != o {
		return nil, &openError{differing(s.options, o)}
	}
	s.users++
	return s, nil
}

// An openError is that of a socket whose options would have to change while it is open.
type openError struct{ options []string }

func (e *openError) Error() string {
	return fmt.Sprintf("is open, and its %s cannot change; restart to change it, or choose another address", strings.Join(e.options, ", "))
}

// differing returns the names of the options in which a and b differ.
func differing(a, b framework.SocketOptions) []string {
	var names []string
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if x.Field(i).Interface() == y.Field(i).Interface() {
			continue
		}
		name, _, _ := strings.Cut(x.Type().Field(i).Tag.Get("json"), ",")
		if name == "nagle" {
			name = "no_delay"
		}
		names = append(names, name)
	}
	return names
}

// Release gives back sockets that were acquired.
func (k *Sockets) Release(sockets []*Socket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range sockets {
		s.users--
		k.closeUnused(s)
	}
}

// closeUnused closes a socket without users.
func (k *Sockets) closeUnused(s *Socket) {
	if s.users == 0 {
		delete(k.open, s.key)
		_ = s.Close()
		_ = s.lock.Close()
	}
}
