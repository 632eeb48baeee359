package load

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// The range and precision of latencies, the same for all rounds, so that they merge.
const (
	shortest = 100 * time.Nanosecond
	longest  = time.Hour
	digits   = 3
)

// NewHistogram returns one of latencies. Those of several rounds merge.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(shortest), int64(longest), digits)
}

func record(h *hdrhistogram.Histogram, latency time.Duration, times int64) {
	// The only error is a value beyond the range.
	_ = h.RecordValues(int64(min(max(latency, 0), longest)), times)
}

// A shard is a histogram that some of the clients share. One for each client would not stay in the
// processor's cache, and a single one would be contended.
type shard struct {
	mu        sync.Mutex
	latencies *hdrhistogram.Histogram
	_         [64]byte // keeps the next lock in another cache line
}

func newShards(n int) []shard {
	shards := make([]shard, n)
	for i := range shards {
		shards[i].latencies = NewHistogram()
	}
	return shards
}

func (s *shard) record(latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record(s.latencies, latency, 1)
}

// Summary returns the percentiles of latencies; all are 0 if there are none.
func Summary(latencies *hdrhistogram.Histogram) result.Latency {
	if latencies.TotalCount() == 0 {
		return result.Latency{} // its Max is not 0
	}
	at := func(percentile float64) time.Duration {
		return time.Duration(latencies.ValueAtPercentile(percentile))
	}
	return result.Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: time.Duration(latencies.Max())}
}

// Buckets returns the distribution of latencies in ten steps a decade from a microsecond on, without
// the empty ones at either end.
func Buckets(latencies *hdrhistogram.Histogram) []result.Bucket {
	var buckets []result.Bucket
	bars := slices.DeleteFunc(latencies.Distribution(), func(b hdrhistogram.Bar) bool { return b.Count == 0 })
	for step := 0.0; len(bars) > 0; step++ {
		bucket := result.Bucket{UpTo: time.Duration(math.Round(float64(time.Microsecond) * math.Pow(10, step/10)))}
		for len(bars) > 0 && bars[0].To <= int64(bucket.UpTo) {
			bucket.Count += bars[0].Count
			bars = bars[1:]
		}
		if bucket.Count > 0 || len(buckets) > 0 {
			buckets = append(buckets, bucket)
		}
	}
	return buckets
}
