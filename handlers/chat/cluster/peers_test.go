package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A state in parts counts once it is whole.
func TestStateInParts(t *testing.T) {
	s := &Server{}
	part := func(n int, id uint64, last bool) ([]Presence, bool) {
		return s.Collect(&Frame{Part: n, Last: last, Users: []Presence{{ID: id}}})
	}
	_, whole := part(0, 1, false)
	require.False(t, whole)
	users, whole := part(1, 2, true)
	require.True(t, whole)
	require.Len(t, users, 2)
	_, _ = part(0, 1, false)
	_, whole = part(2, 3, true) // one was lost
	require.False(t, whole)
	_, whole = part(3, 4, true)
	require.False(t, whole)
	users, whole = part(0, 1, true)
	require.True(t, whole)
	require.Len(t, users, 1)
}
