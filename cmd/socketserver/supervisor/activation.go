package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/framework"
)

// Inherit has servers use open sockets in place of opening some, by address or by name
// (fd/NAME). It is called before Apply. The sockets stay open as long as the process lives, as
// they do in the process that has passed them.
func (s *Supervisor) Inherit(sockets []systemd.Socket) {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	s.sockets.inherited = append(s.sockets.inherited, sockets...)
}

// Unclaimed returns the inherited sockets that no server uses. Clients of them wait for ever.
func (s *Supervisor) Unclaimed() []systemd.Socket {
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	used := map[*systemd.Socket]bool{}
	for key := range s.sockets.open {
		used[s.sockets.find(key.network, key.address)] = true
	}
	var all []systemd.Socket
	for n := range s.sockets.inherited {
		if i := &s.sockets.inherited[n]; !used[i] {
			all = append(all, *i)
		}
	}
	return all
}

// openOrInherit opens a socket, or takes the inherited one of that address.
func (k *Sockets) openOrInherit(network, address string, o framework.SocketOptions) (*framework.Socket, error) {
	if i := k.find(network, address); i != nil {
		return k.inherit(network, i.File, o)
	}
	s, err := framework.OpenSocket(network, address, o)
	if errors.Is(err, syscall.EADDRINUSE) && !config.IsUnix(network) {
		_, port, _ := net.SplitHostPort(address)
		for _, i := range k.inherited {
			if i.Network == network && strings.HasSuffix(i.Address, ":"+port) {
				return nil, fmt.Errorf("the port is that of a socket that was passed to this process; write its address, %q, or \"fd/%s\"", i.Address, i.Name)
			}
		}
	}
	return s, err
}

// inherit makes a socket of one that another process has. While adopting that process may go on with it.
func (k *Sockets) inherit(network string, file *os.File, o framework.SocketOptions) (*framework.Socket, error) {
	s, err := framework.InheritSocket(network, file, o)
	if err == nil && k.adopting {
		err = s.Disown()
	}
	return s, err
}

func (k *Sockets) isAdopting() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.adopting
}

// find returns the inherited socket of an address, nil if there is none.
func (k *Sockets) find(network, address string) *systemd.Socket {
	if config.IsUnix(network) && !strings.HasPrefix(address, "@") {
		if absolute, err := filepath.Abs(address); err == nil {
			address = absolute
		}
	}
	i := slices.IndexFunc(k.inherited, func(s systemd.Socket) bool { return s.Network == network && s.Address == address })
	if i < 0 {
		return nil
	}
	return &k.inherited[i]
}

// namePrefix begins the address of a socket that has a name.
const namePrefix = "fd/"

func isNamed(address string) bool { return strings.HasPrefix(address, namePrefix) }

// acquireNamed acquires the inherited sockets of a name, which are those of the transport's
// network. ok is false where the address is not fd/NAME.
func (k *Sockets) acquireNamed(t config.Transport) (sockets []*Socket, ok bool, err error) {
	name, ok := strings.CutPrefix(t.Address, namePrefix)
	if !ok {
		return nil, false, nil
	}
	for _, i := range k.inherited {
		if i.Name != name || i.Network != t.Network {
			continue
		}
		s, err := k.get(socketKey{i.Network, i.Address, ""}, i.Address, t.SocketOptions)
		if err != nil {
			k.Release(sockets)
			return nil, true, listenError(i.Network, i.Address, err)
		}
		sockets = append(sockets, s)
	}
	if len(sockets) == 0 {
		return nil, true, fmt.Errorf("%s: no %s socket of the name %q was passed to this process; set FileDescriptorName=%[3]s in its socket unit", t.Address, t.Network, name)
	}
	return sockets, true, nil
}

// covered reports whether address, one of all, is the IPv4 wildcard and an inherited socket of
// the IPv6 wildcard takes its clients, too.
func (k *Sockets) covered(network string, address netip.AddrPort, all []netip.AddrPort) bool {
	both := netip.AddrPortFrom(netip.IPv6Unspecified(), address.Port())
	if address.Addr() != netip.IPv4Unspecified() || !slices.Contains(all, both) {
		return false
	}
	i := k.find(network, both.String())
	return i != nil && i.BothFamilies
}
