package supervisor

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// Sources that are refused often are not forgotten for a flood of others, and memory is bounded.
func TestSourcesThatAreRefusedMost(t *testing.T) {
	from := func(n int) framework.Source {
		r := &framework.Request{Network: "tcp", ClientAddress: &net.TCPAddr{IP: net.IPv4(10, byte(n>>16), byte(n>>8), byte(n)), Port: 1}}
		return r.Source()
	}
	var s refusedSources
	for range 1000 {
		s.add(from(1), 0)
	}
	for n := range 10_000 {
		s.add(from(100+n), 1)
		if n%20 == 0 {
			s.add(from(2), 2)
		}
	}
	require.Len(t, s.all, maxRefused)
	require.Len(t, s.at, maxRefused)
	require.Equal(t, int64(1000), s.all[s.at[from(1)]].counts[0])
	require.Contains(t, s.at, from(2))
	require.Positive(t, s.all[s.at[from(2)]].counts[2])
}
