package usage_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// The CPU time since a moment is not known if it was not known then or is not now.
func TestSince(t *testing.T) {
	require.Equal(t, time.Second, usage.Since(2*time.Second, 3*time.Second))
	require.Zero(t, usage.Since(3*time.Second, 2*time.Second))
	require.Negative(t, usage.Since(-1, 3*time.Second))
	require.Negative(t, usage.Since(3*time.Second, -1))
}

// The rest of the CPU time is that of other processes.
func TestOthers(t *testing.T) {
	before := usage.Machine{Total: 10 * time.Second, Busy: 4 * time.Second}
	after := usage.Machine{Total: 20 * time.Second, Busy: 8 * time.Second}
	require.InDelta(t, 0.1, after.Others(before, 3*time.Second), 1e-9) // all of it stolen
	require.InDelta(t, 0.4, after.Others(before, 0), 1e-9)
	require.Zero(t, after.Others(before, 5*time.Second))
	require.Negative(t, after.Others(before, -1))
	require.Negative(t, after.Others(after, 0))
	require.Negative(t, after.Others(usage.Machine{Total: -1}, 0))
	require.False(t, math.IsNaN(before.Others(before, 0)))
}
