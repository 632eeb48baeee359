package slots

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

const second = int64(time.Second)

func address(n uint32) Key {
	return KeyOf(&net.UDPAddr{IP: binary.BigEndian.AppendUint32(nil, n), Port: 9})
}

func perSecond(n int) Rate { return Rate{n, time.Second} }

func TestRateOfOneSource(t *testing.T) {
	var r Rates
	now := 5 * second
	one, other := address(1), address(2)
	require.True(t, r.Allow(one, 600, perSecond(1000), 0, now))
	require.True(t, r.Allow(one, 400, perSecond(1000), 0, now), "the burst is one second's")
	require.False(t, r.Allow(one, 1, perSecond(1000), 0, now))
	require.True(t, r.Allow(other, 1000, perSecond(1000), 0, now), "another source has its own")
	require.True(t, r.Allow(one, 250, perSecond(1000), 0, now+second/4))
	require.False(t, r.Allow(one, 1, perSecond(1000), 0, now+second/4))
	require.True(t, r.Allow(one, 5000, perSecond(1000), 0, now+2*second), "a full burst gets one of any size")
	require.False(t, r.Allow(one, 1, perSecond(1000), 0, now+6*second), "and pays for it")
	require.True(t, r.Allow(one, 1, perSecond(1000), 0, now+7*second))
}

// Equal datagrams of one address and port count together.
func TestRateOfEqualDatagrams(t *testing.T) {
	var r Rates
	at := netip.MustParseAddrPort
	require.True(t, r.AllowEqual(at("192.0.2.1:9"), 1, 1000, perSecond(1000), second))
	require.False(t, r.AllowEqual(at("192.0.2.1:9"), 1, 1, perSecond(1000), second))
	require.True(t, r.AllowEqual(at("192.0.2.1:9"), 2, 1, perSecond(1000), second), "another datagram")
	require.True(t, r.AllowEqual(at("192.0.2.1:8"), 1, 1, perSecond(1000), second), "another port")
	require.True(t, r.AllowEqual(at("192.0.2.2:9"), 1, 1, perSecond(1000), second), "another address")
	require.Zero(t, testing.AllocsPerRun(100, func() { r.AllowEqual(at("192.0.2.1:9"), 1, 1, perSecond(1000), second) }))
}

func TestKeys(t *testing.T) {
	udp := func(ip string, port int) net.Addr { return &net.UDPAddr{IP: net.ParseIP(ip), Port: port} }
	tcp := func(ip, zone string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1, Zone: zone} }
	for a, want := range map[net.Addr]string{
		udp("192.0.2.1", 1): "192.0.2.1", udp("192.0.2.1", 2): "192.0.2.1", tcp("::ffff:192.0.2.1", ""): "192.0.2.1",
		tcp("2001:db8::1", ""): "2001:db8::/64", udp("2001:db8::ffff:2", 9): "2001:db8::/64", tcp("2001:db8:0:1::1", ""): "2001:db8:0:1::/64",
		tcp("fe80::1", "eth0"): "fe80::/64", &net.UnixAddr{Name: "/a"}: "/a", &net.UnixAddr{Name: "@"}: "", &net.UnixAddr{}: "",
		&net.UnixAddr{Name: "uid 1000"}: `"uid 1000"`, &net.UnixAddr{Name: "192.0.2.1"}: `"192.0.2.1"`, &net.UnixAddr{Name: `"\n"`}: `"\n"`,
		&vsock.Addr{CID: 3, Port: 1}: "cid 3",
	} {
		require.Equal(t, want, KeyOf(a).String(), a)
		require.Equal(t, want == "", KeyOf(a).IsZero(), a)
	}
	require.Equal(t, "uid 1000", KeyOfUser(1000).String())
	require.NotEqual(t, KeyOfUser(1), KeyOfUser(2))
}

// What has one kind of address cannot use up the rate of what has another one, whatever it is called.
func TestKindsOfKeys(t *testing.T) {
	name := func(name string) Key { return KeyOf(&net.UnixAddr{Name: name, Net: "unixgram"}) }
	ip := netip.MustParseAddr("2001:db8::")
	bytes := ip.As16()
	for _, keys := range [][]Key{
		{KeyOfUser(3), name("uid 3"), KeyOfName("uid 3")},
		{KeyOf(&vsock.Addr{CID: 3}), name("cid 3"), KeyOfUser(3)},
		{KeyOf(&net.UDPAddr{IP: ip.AsSlice()}), name("2001:db8::/64"), name(string(bytes[:]))},
		{KeyOf(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1)}), name("192.0.2.1"), KeyOfName("192.0.2.1")},
	} {
		var r Rates
		var s Sources
		for _, k := range keys {
			require.True(t, r.Allow(k, 1, perSecond(1), 0, second), k)
			require.False(t, r.Allow(k, 1, perSecond(1), 0, second), k)
			require.NotNil(t, s.Enter(k, 1, 0), k)
			require.Nil(t, s.Enter(k, 1, 0), k)
		}
	}
}

// A source that exceeded its rate is out for the penalty, however often it tries in that time, and
// has then what it would have got back meanwhile.
func TestPenalty(t *testing.T) {
	var r Rates
	rate, penalty := Rate{20, 10 * time.Second}, 3*time.Second
	passed := func(now int64, tries int) (n int) {
		for range tries {
			if r.Allow(address(1), 1, rate, penalty, now) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 20, passed(second, 30))
	for now := second; now < 4*second; now += second / 10 {
		require.Zero(t, passed(now, 3))
	}
	require.True(t, r.Allow(address(2), 1, rate, penalty, 2*second), "another source is not out")
	require.Equal(t, 6, passed(4*second, 10), "of three seconds")
	require.Zero(t, passed(7*second-1, 10), "the next penalty")
	require.Equal(t, 20, passed(60*second, 30))
}

func TestBucket(t *testing.T) {
	var b Bucket
	rate := Rate{2, time.Second}
	require.Zero(t, b.Wait(rate, second))
	require.True(t, b.Try(rate, second))
	require.Zero(t, b.Reserve(rate, second))
	require.False(t, b.Try(rate, second))
	require.Equal(t, time.Second/2, b.Wait(rate, second))
	require.Equal(t, time.Second/2, b.Reserve(rate, second))
	require.Equal(t, time.Second, b.Reserve(rate, second), "in turn")
	require.False(t, b.Try(rate, 2*second))
	require.True(t, b.Try(rate, 2*second+second/2))
	require.True(t, b.Try(Rate{1000, time.Second}, 3*second), "another rate applies at once")
}

// A flood from other sources does not make room for one that has had its share.
func TestFloodDoesNotForget(t *testing.T) {
	var r Rates
	victim, passed := address(1), 0
	const rate, flood = 100, 1_000_000
	for i := range flood {
		now := second + int64(i)*10_000 // 100,000 a second
		if !r.Allow(address(uint32(i+2)), 1, perSecond(rate), 0, now) {
			require.FailNow(t, "a source was refused that had asked once", "%d", i)
		}
		if i%100 == 0 && r.Allow(victim, 1, perSecond(rate), 0, now) {
			passed++
		}
	}
	require.InDelta(t, rate+flood*rate/100_000, passed, 5)
	require.LessOrEqual(t, unsafe.Sizeof(*r.sets), uintptr(1<<20))
}

func TestRatesDoNotAllocate(t *testing.T) {
	var r Rates
	var a, b net.Addr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, &net.UnixAddr{Name: "/tmp/client"}
	r.Allow(KeyOf(a), 1, perSecond(1), 0, second)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Allow(KeyOf(a), 1, perSecond(1), 0, second); r.Allow(KeyOf(b), 1, perSecond(1), 0, second) }))
}

func BenchmarkRates(b *testing.B) {
	for name, sources := range map[string]int{"1": 1, "1000": 1000, "1000000": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			var r Rates
			a := &net.TCPAddr{IP: make(net.IP, 4)}
			for i := range b.N {
				binary.BigEndian.PutUint32(a.IP, uint32(i%sources)*2654435761)
				r.Allow(KeyOf(a), 1, perSecond(1000), 0, int64(i))
			}
		})
	}
}
