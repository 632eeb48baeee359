// Package cidr tells whether an address is in one of many networks.
package cidr

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
)

// A Set is the addresses of networks. The zero Set is empty.
type Set struct{ ranges []span } // in order; they do not overlap

// span is the addresses from first to last, of one family.
type span struct{ first, last netip.Addr }

// NewSet returns the set of the addresses of all networks. An IPv4-mapped network is one of IPv4.
func NewSet(networks []netip.Prefix) Set {
	all := make([]span, 0, len(networks))
	for _, n := range networks {
		n = Unmap(n).Masked()
		all = append(all, span{n.Addr(), last(n)})
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(a.first.Compare(b.first), b.last.Compare(a.last)) })
	var s Set
	for _, r := range all {
		// Networks overlap only where one contains the other.
		if n := len(s.ranges); n == 0 || s.ranges[n-1].last.Compare(r.last) < 0 {
			s.ranges = append(s.ranges, r)
		}
	}
	return s
}

// Empty reports whether there is no network in s.
func (s Set) Empty() bool { return len(s.ranges) == 0 }

// Contains reports whether a network contains ip. An IPv4-mapped address is one of IPv4, and a zone
// does not matter.
func (s Set) Contains(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	n, found := slices.BinarySearchFunc(s.ranges, ip, func(r span, ip netip.Addr) int { return r.first.Compare(ip) })
	return found || n > 0 && ip.Compare(s.ranges[n-1].last) <= 0 && ip.BitLen() == s.ranges[n-1].last.BitLen()
}

// Of returns the IP address of a; the zero Addr where it has none.
func Of(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// Unmap returns an IPv4-mapped network as one of IPv4, and any other as it is.
func Unmap(n netip.Prefix) netip.Prefix {
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		return netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n
}

// last returns the last address of a network.
func last(n netip.Prefix) netip.Addr {
	bytes := n.Addr().AsSlice()
	for bit := n.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	ip, _ := netip.AddrFromSlice(bytes)
	return ip
}
