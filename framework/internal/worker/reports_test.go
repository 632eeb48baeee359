package worker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a process reports without end is not kept, and does not keep that of others from being kept.
func TestReportsAreBounded(t *testing.T) {
	var r Reports[string]
	require.True(t, r.Open(1, 0, "first"))
	require.False(t, r.Open(1, 0, "again"))
	for n := range uint64(maxReports - 1) {
		require.True(t, r.Open(1, n+1, "one"))
	}
	require.False(t, r.Open(1, maxReports, "too many"))
	require.True(t, r.Open(2, 0, "another's"))
	request, ok := r.Close(1, 0)
	require.True(t, ok)
	require.Equal(t, "first", request)
	_, ok = r.Close(1, 0)
	require.False(t, ok)
	require.True(t, r.Open(1, maxReports, "there is room"))
	require.Len(t, r.Leave(1), maxReports)
	require.Empty(t, r.Leave(1))
	require.Equal(t, []string{"another's"}, r.Leave(2))
}
