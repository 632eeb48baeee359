package compare

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// The CPU time of a round that was not measured as a whole is not known.
func TestSince(t *testing.T) {
	start := time.Now()
	at := func(late, cpu time.Duration) moment {
		return moment{at: start.Add(late), subject: cpu}
	}
	const round = 100 * time.Millisecond
	require.Equal(t, 30*time.Millisecond, at(round, 40*time.Millisecond).since(at(0, 10*time.Millisecond), round))
	require.Equal(t, 30*time.Millisecond, at(round+5, 40*time.Millisecond).since(at(5, 10*time.Millisecond), round))
	for _, late := range []time.Duration{6, -6} {
		require.EqualValues(t, -1, at(round, 40).since(at(late*time.Millisecond, 10), round))
	}
	require.EqualValues(t, -1, at(round, -1).since(at(0, 10), round))
}

// One look that misses the children, or sees twice as many, does not count.
func TestOccupied(t *testing.T) {
	var c result.Cost
	occupied(&c, []usage.Usage{
		{Processes: 1, Threads: 5, Resident: 10, Proportional: 5, Descriptors: 9},
		{Processes: 9, Threads: 45, Resident: 90, Proportional: 45, Descriptors: 81},
		{Processes: 40, Threads: 20, Resident: 400, Proportional: 200, Descriptors: 10},
	})
	require.Equal(t, result.Cost{Processes: 9, Threads: 20, Resident: 90, Proportional: 45, Descriptors: 10}, c)
	occupied(&c, nil)
	require.Equal(t, 9, c.Processes)
}
