package slots

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/go-socketserver/socketserver/framework/internal/cidr"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// A Key identifies a source: an IPv4 address, a /64 of IPv6, a machine of VSOCK, or at a Unix socket the
// user, or the name of the client's socket. The zero Key is that of clients that nothing tells apart.
type Key struct {
	kind   kind // a client may choose its name, and no name is another one's user
	prefix netip.Prefix
	number uint32 // of a user or machine
	name   string
}

type kind uint8

const (
	nothing kind = iota
	network
	user
	machine
	socketName
	otherName // of a transport that is not known here
)

// KeyOf returns the key of a client's address.
func KeyOf(a net.Addr) Key {
	switch a := a.(type) {
	case *vsock.Addr:
		return Key{kind: machine, number: a.CID}
	case *net.UnixAddr:
		if a == nil || a.Name == "" || a.Name == "@" {
			return Key{}
		}
		return Key{kind: socketName, name: a.Name}
	}
	ip := cidr.Of(a)
	if !ip.IsValid() {
		return Key{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.WithZone("").Prefix(bits)
	return Key{kind: network, prefix: prefix}
}

// KeyOfName returns the key of the clients with an address that KeyOf does not know.
func KeyOfName(name string) Key { return Key{kind: otherName, name: name} }

// KeyOfUser returns the key of the clients of a user.
func KeyOfUser(uid uint32) Key { return Key{kind: user, number: uid} }

// IsZero reports whether nothing tells the client apart from others.
func (k Key) IsZero() bool { return k == Key{} }

// String returns "192.0.2.1", "2001:db8::/64", "cid 3", "uid 1000" or the name of a socket. A name that is
// not quoted yet and could be read as one of the others is in quotes.
func (k Key) String() string {
	switch k.kind {
	case network:
		if k.prefix.IsSingleIP() {
			return k.prefix.Addr().String()
		}
		return k.prefix.String()
	case user:
		return "uid " + strconv.FormatUint(uint64(k.number), 10)
	case machine:
		return "cid " + strconv.FormatUint(uint64(k.number), 10)
	case socketName, otherName:
		if !strings.HasPrefix(k.name, "/") && !strings.HasPrefix(k.name, "@") && !strings.HasPrefix(k.name, `"`) {
			return strconv.Quote(k.name)
		}
	}
	return k.name
}

// Sources counts what each source has under way. Those with the zero [Key] are not bounded. The
// zero value is ready.
type Sources struct {
	mu  sync.Mutex
	all map[Key]*Source
	n   int
}

// A Source is what one request counts against.
type Source struct {
	key   Key
	count int
}

// Enter counts one more of a source. It returns nil where the source has most already, or all
// sources together have total; 0 bounds nothing.
func (s *Sources) Enter(k Key, most, total int) *Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[Key]*Source{}
	}
	from := s.all[k]
	if total > 0 && s.n >= total || most > 0 && !k.IsZero() && from != nil && from.count >= most {
		return nil
	}
	if from == nil {
		from = &Source{key: k}
		s.all[k] = from
	}
	from.count++
	s.n++
	return from
}

// Leave undoes Enter.
func (s *Sources) Leave(from *Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n--
	if from.count--; from.count == 0 {
		delete(s.all, from.key)
	}
}
