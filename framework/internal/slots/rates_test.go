package slots

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

const second = int64(time.Second)

func address(n uint32) *net.UDPAddr {
	return &net.UDPAddr{IP: binary.BigEndian.AppendUint32(nil, n), Port: 9}
}

func TestRateOfOneSource(t *testing.T) {
	var r Rates
	now := 5 * second
	one, other := address(1), address(2)
	require.True(t, r.Allow(one, 600, 1000, now))
	require.True(t, r.Allow(one, 400, 1000, now), "the burst is one second's")
	require.False(t, r.Allow(one, 1, 1000, now))
	require.True(t, r.Allow(other, 1000, 1000, now), "another source has its own")
	require.True(t, r.Allow(one, 250, 1000, now+second/4))
	require.False(t, r.Allow(one, 1, 1000, now+second/4))
	require.True(t, r.Allow(one, 5000, 1000, now+2*second), "a full burst gets one of any size")
	require.False(t, r.Allow(one, 1, 1000, now+6*second), "and pays for it")
	require.True(t, r.Allow(one, 1, 1000, now+7*second))
}

func TestSourcesOfRates(t *testing.T) {
	var r Rates
	same := func(a, b net.Addr, want bool) {
		t.Helper()
		r = Rates{}
		require.True(t, r.Allow(a, 10, 10, second))
		require.Equal(t, !want, r.Allow(b, 10, 10, second))
	}
	same(address(1), &net.UDPAddr{IP: net.IPv4(0, 0, 0, 1), Port: 10}, true)
	same(&net.UDPAddr{IP: net.ParseIP("2001:db8::1")}, &net.UDPAddr{IP: net.ParseIP("2001:db8::ffff:2")}, true)
	same(&net.UDPAddr{IP: net.ParseIP("2001:db8::1")}, &net.UDPAddr{IP: net.ParseIP("2001:db8:0:1::1")}, false)
	same(&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/a"}, true)
	same(&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/b"}, false)
}

// A flood from other sources does not make room for one that has had its share.
func TestFloodDoesNotForget(t *testing.T) {
	var r Rates
	victim, passed := address(1), 0
	const perSecond, flood = 100, 200_000
	for i := range flood {
		now := second + int64(i)*10_000 // 100,000 a second
		require.True(t, r.Allow(address(uint32(i+2)), 1, perSecond, now))
		if i%100 == 0 && r.Allow(victim, 1, perSecond, now) {
			passed++
		}
	}
	require.InDelta(t, perSecond+flood*perSecond/100_000, passed, 5)
	require.Less(t, unsafe.Sizeof(*r.sets), uintptr(1<<20))
}

func TestRatesDoNotAllocate(t *testing.T) {
	var r Rates
	var a, b net.Addr = address(1), &net.UnixAddr{Name: "/tmp/client"}
	r.Allow(a, 1, 1, second)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Allow(a, 1, 1, second); r.Allow(b, 1, 1, second) }))
}

func BenchmarkRates(b *testing.B) {
	var r Rates
	a := address(1)
	for i := range b.N {
		r.Allow(a, 1, 1000, int64(i))
	}
}
