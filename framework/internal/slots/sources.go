package slots

import (
	"net"
	"net/netip"
	"sync"
)

// Sources counts what each source has under way: an IPv4 address, or a /64 of IPv6. Clients
// of Unix sockets and of unknown networks have no source and are not bounded. The zero value
// is ready.
type Sources struct {
	mu  sync.Mutex
	all map[netip.Prefix]*Source
	n   int
}

// A Source is what one request counts against.
type Source struct {
	prefix netip.Prefix
	count  int
}

// Enter counts one more of the source of a. It returns nil where the source has most already,
// or all sources together have total; 0 bounds nothing.
func (s *Sources) Enter(a net.Addr, most, total int) *Source {
	prefix := prefixOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[netip.Prefix]*Source{}
	}
	from := s.all[prefix]
	if total > 0 && s.n >= total || most > 0 && prefix.IsValid() && from != nil && from.count >= most {
		return nil
	}
	if from == nil {
		from = &Source{prefix: prefix}
		s.all[prefix] = from
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
		delete(s.all, from.prefix)
	}
}

func prefixOf(a net.Addr) netip.Prefix {
	var ip netip.Addr
	switch a := a.(type) {
	case *net.TCPAddr:
		ip = a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		ip = a.AddrPort().Addr().Unmap()
	default:
		return netip.Prefix{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.WithZone("").Prefix(bits)
	return prefix
}
