package worker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a process reports without end is not kept, and does not keep that of others from being kept. A later process may have the
// number of one that has gone.
func TestReportsAreBounded(t *testing.T) {
	var r Reports[string]
	one, another := &Process{pid: 1}, &Process{pid: 1}
	require.True(t, r.Open(one, 0, "first"))
	require.False(t, r.Open(one, 0, "again"))
	for n := range uint64(maxReports - 1) {
		require.True(t, r.Open(one, n+1, "one"))
	}
	require.False(t, r.Open(one, maxReports, "too many"))
	require.True(t, r.Open(another, 0, "another's"))
	request, ok := r.Close(one, 0)
	require.True(t, ok)
	require.Equal(t, "first", request)
	_, ok = r.Close(one, 0)
	require.False(t, ok)
	require.True(t, r.Open(one, maxReports, "there is room"))
	require.Len(t, r.Leave(one), maxReports)
	require.Empty(t, r.Leave(one))
	require.Equal(t, []string{"another's"}, r.Leave(another))
}
