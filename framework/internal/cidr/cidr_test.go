package cidr

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func set(networks ...string) Set {
	var all []netip.Prefix
	for _, n := range networks {
		all = append(all, netip.MustParsePrefix(n))
	}
	return NewSet(all)
}

func TestSetContains(t *testing.T) {
	s := set("10.0.0.0/8", "10.1.0.0/16", "192.0.2.7/32", "2001:db8::/32", "fe80::/10", "::ffff:198.51.100.0/120", "255.255.255.255/32")
	for ip, want := range map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "10.2.0.1": true, "9.255.255.255": false, "11.0.0.0": false,
		"192.0.2.7": true, "192.0.2.6": false, "192.0.2.8": false, "255.255.255.255": true,
		"::ffff:10.1.2.3": true, "::ffff:11.0.0.1": false, "198.51.100.9": true, "::ffff:198.51.100.9": true, "198.51.101.0": false,
		"2001:db8:ffff::1": true, "2001:db9::": false, "::": false, "fe80::1%eth0": true, "fe80::1": true,
	} {
		require.Equal(t, want, s.Contains(netip.MustParseAddr(ip)), ip)
	}
	require.True(t, set("0.0.0.0/0").Contains(netip.MustParseAddr("255.255.255.255")))
	require.False(t, set("0.0.0.0/0").Contains(netip.MustParseAddr("::1")), "the family is not that of the network")
	require.False(t, set("::/0").Contains(netip.MustParseAddr("127.0.0.1")))
	require.False(t, s.Contains(netip.Addr{}))
	require.True(t, Set{}.Empty())
	require.False(t, Set{}.Contains(netip.MustParseAddr("::1")))
}

// The answer is that of a look at each network.
func TestSetIsTheUnionOfItsNetworks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], random.Uint32()&0x3f<<26|random.Uint32()&0xff)
		return netip.AddrFrom4(ip)
	}
	for range 50 {
		var all []netip.Prefix
		for range 1 + random.IntN(20) {
			all = append(all, netip.PrefixFrom(address(), 1+random.IntN(32)))
		}
		s := NewSet(all)
		for range 200 {
			ip, want := address(), false
			for _, n := range all {
				want = want || n.Masked().Contains(ip)
			}
			require.Equal(t, want, s.Contains(ip), "%v in %v", ip, all)
		}
	}
}

func TestAddressOf(t *testing.T) {
	require.Equal(t, "192.0.2.1", Of(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}).String())
	require.Equal(t, "192.0.2.1", Of(&net.UDPAddr{IP: net.ParseIP("::ffff:192.0.2.1")}).String())
	require.False(t, Of(&net.UnixAddr{Name: "/x"}).IsValid())
	require.False(t, Of(nil).IsValid())
}

func BenchmarkContains(b *testing.B) {
	var all []netip.Prefix
	for i := range 100 {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i), 1, 2, 3}), 24))
	}
	s, ip := NewSet(all), netip.MustParseAddr("50.1.3.7")
	for b.Loop() {
		if s.Contains(ip) {
			b.Fatal()
		}
	}
}
