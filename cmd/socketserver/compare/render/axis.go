package render

import (
	"math"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// An axis is logarithmic and runs over whole decades or parts of them.
type axis struct{ low, high time.Duration }

// newAxis has room for all latencies that were found.
func newAxis(all []result.Measured) (axis, bool) {
	a := axis{low: math.MaxInt64}
	for _, m := range all {
		for _, b := range m.Buckets {
			if b.Count > 0 && b.UpTo > 0 {
				a.low, a.high = min(a.low, b.UpTo), max(a.high, b.UpTo)
			}
		}
		if m.Latency.P50 > 0 {
			a.low, a.high = min(a.low, m.Latency.P50), max(a.high, m.Latency.Max)
		}
	}
	if a.high == 0 {
		return a, false
	}
	a.low = nice(float64(a.low)/1.2, math.Floor)
	a.high = max(nice(float64(a.high), math.Ceil), 10*a.low)
	return a, true
}

// nice is the next of 1, 2, 5, 10 and so on, down or up as round says.
func nice(v float64, round func(float64) float64) time.Duration {
	decade := math.Pow(10, math.Floor(math.Log10(v)))
	steps := []float64{1, 2, 5, 10}
	i := slices.IndexFunc(steps, func(s float64) bool { return s*decade >= v })
	if round(0.5) == 0 && steps[i]*decade > v {
		i--
	}
	return time.Duration(math.Round(steps[i] * decade))
}

// at is where d stands between 0 and 1.
func (a axis) at(d time.Duration) float64 {
	if d <= a.low {
		return 0
	}
	return min(1, math.Log(float64(d)/float64(a.low))/math.Log(float64(a.high)/float64(a.low)))
}

// ticks are the powers of ten on the axis.
func (a axis) ticks() []time.Duration {
	var all []time.Duration
	for t := time.Duration(1); t <= a.high; t *= 10 {
		if t >= a.low {
			all = append(all, t)
		}
	}
	return all
}

// density is how often the latencies fall into each of so many equal parts of the axis,
// the most frequent being 1. What a bucket counts is spread over its width.
func (a axis) density(buckets []result.Bucket, parts int) []float64 {
	share := make([]float64, parts)
	from := a.at(buckets[0].UpTo) * float64(parts)
	for _, b := range buckets {
		to := a.at(b.UpTo) * float64(parts)
		pour(share, from, to, float64(b.Count))
		from = to
	}
	if most := slices.Max(share); most > 0 {
		for i := range share {
			share[i] /= most
		}
	}
	return share
}

// pour adds count to the parts between from and to, in proportion.
func pour(share []float64, from, to, count float64) {
	last := len(share) - 1
	if to-from < 1e-9 {
		share[min(int(from), last)] += count
		return
	}
	for i := int(from); i <= min(int(to), last); i++ {
		overlap := min(to, float64(i+1)) - max(from, float64(i))
		share[i] += count * max(0, overlap) / (to - from)
	}
}
