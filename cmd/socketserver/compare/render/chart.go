package render

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// nameWidth is that of the column before a chart.
func (p *page) nameWidth(l result.Load) int {
	w := 0
	for _, m := range l.Results {
		w = max(w, width(p.short(m.Subject)))
	}
	return w
}

// bars shows the rates.
func (p *page) bars(l result.Load) {
	most := 0.0
	for _, m := range l.Results {
		most = max(most, m.Rate)
	}
	if most == 0 {
		return
	}
	names := p.nameWidth(l)
	room := min(p.Width, 100) - names - 12
	fmt.Fprintln(p)
	for _, m := range l.Results {
		if !measured(m) {
			fmt.Fprintf(p, "%-*s  %9s\n", names, p.short(m.Subject), unknown)
			continue
		}
		line := fmt.Sprintf("%-*s  %9s %s", names, p.short(m.Subject), rate(m.Rate),
			p.paint(blue, p.bar(m.Rate/most*float64(room))))
		fmt.Fprintln(p, strings.TrimRight(line, " "))
	}
}

// bar is as long as that many columns, with eighths where they can be shown.
func (p *page) bar(columns float64) string {
	if p.ASCII {
		return strings.Repeat("#", int(math.Round(columns)))
	}
	eighths := int(math.Round(columns * 8))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return bar
}

// histogram shows the latencies, each subject on a line, all on one logarithmic axis.
func (p *page) histogram(l result.Load) {
	axis, ok := newAxis(l.Results)
	if !ok {
		return
	}
	names := p.nameWidth(l)
	room := min(p.Width, 100) - names - 2
	marks := []rune(p.choose(" ▁▂▃▄▅▆▇█", " .:-=+*#@"))
	fmt.Fprintf(p, "\n%s\n\n", p.paint(bold, "Distribution of latencies"))
	for _, m := range l.Results {
		if len(m.Buckets) == 0 {
			continue
		}
		var line strings.Builder
		for _, share := range axis.density(m.Buckets, room) {
			mark := int(math.Ceil(share * float64(len(marks)-1)))
			line.WriteRune(marks[mark])
		}
		fmt.Fprintf(p, "%-*s  %s\n", names, p.short(m.Subject),
			p.paint(blue, strings.TrimRight(line.String(), " ")))
	}
	fmt.Fprintf(p, "%*s  %s\n", names, "", axis.labels(room))
}

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

// labels is the axis in so many columns of text.
func (a axis) labels(columns int) string {
	line := []rune(strings.Repeat(" ", columns))
	free := 0
	for _, t := range a.ticks() {
		label := []rune("|" + duration(t))
		at := int(a.at(t) * float64(columns))
		if at >= free && at+len(label) <= columns {
			copy(line[at:], label)
			free = at + len(label) + 1
		}
	}
	return strings.TrimRight(string(line), " ")
}

// density is how often the latencies fall into each of so many equal parts of the axis,
// the most frequent being 1. What a bucket counts is spread over its width.
func (a axis) density(buckets []result.Bucket, parts int) []float64 {
	share := make([]float64, parts)
	from := a.at(buckets[0].UpTo) * float64(parts)
	for _, b := range buckets {
		to := a.at(b.UpTo) * float64(parts)
		spread(share, from, to, float64(b.Count))
		from = to
	}
	if most := slices.Max(share); most > 0 {
		for i := range share {
			share[i] /= most
		}
	}
	return share
}

// spread adds count to the parts between from and to, in proportion.
func spread(share []float64, from, to, count float64) {
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
