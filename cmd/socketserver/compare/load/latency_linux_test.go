package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestSummary(t *testing.T) {
	h := NewHistogram()
	require.Zero(t, Summary(h))
	require.Empty(t, Buckets(h))
	for i := 1; i <= 1000; i++ {
		record(h, time.Duration(i)*time.Millisecond, 1)
	}
	s := Summary(h)
	for want, got := range map[time.Duration]time.Duration{
		500 * time.Millisecond: s.P50, 900 * time.Millisecond: s.P90, 990 * time.Millisecond: s.P99,
		999 * time.Millisecond: s.P999, time.Second: s.Max,
	} {
		require.InEpsilon(t, want, got, 0.001)
	}
}

func TestBuckets(t *testing.T) {
	h := NewHistogram()
	record(h, 50*time.Nanosecond, 3)
	record(h, 10*time.Millisecond, 2)
	record(h, 100*time.Hour, 1) // beyond the range
	buckets := Buckets(h)
	require.Equal(t, result.Bucket{UpTo: time.Microsecond, Count: 3}, buckets[0])
	require.Equal(t, 1259*time.Nanosecond, buckets[1].UpTo)
	var count int64
	for _, b := range buckets {
		count += b.Count
	}
	require.Equal(t, int64(6), count)
	last := buckets[len(buckets)-1]
	require.Equal(t, int64(1), last.Count)
	require.GreaterOrEqual(t, last.UpTo, longest)
}
