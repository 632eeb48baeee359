package usage_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// The CPU time since a moment is not known if it was not known then or is not now.
func TestCPUSince(t *testing.T) {
	second, third := usage.Usage{CPU: 2 * time.Second}, usage.Usage{CPU: 3 * time.Second}
	require.Equal(t, time.Second, third.CPUSince(second))
	require.Zero(t, second.CPUSince(third))
	require.Negative(t, third.CPUSince(usage.Unknown))
	require.Negative(t, usage.Unknown.CPUSince(third))
}

// The rest of the CPU time is that of other processes.
func TestOthers(t *testing.T) {
	before := usage.Machine{Total: 10 * time.Second, Idle: 5 * time.Second, Network: time.Second}
	after := usage.Machine{Total: 20 * time.Second, Idle: 9 * time.Second, Network: 3 * time.Second}
	require.InDelta(t, 0.1, after.Others(before, 3*time.Second), 1e-9) // all of it stolen
	require.InDelta(t, 0.4, after.Others(before, 0), 1e-9)
	require.Zero(t, after.Others(before, 5*time.Second))
	require.Negative(t, after.Others(before, -1))
	require.Negative(t, after.Others(after, 0))
	require.Negative(t, after.Others(usage.Machine{Total: -1}, 0))
	require.False(t, math.IsNaN(before.Others(before, 0)))
}
