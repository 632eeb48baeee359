package result

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A metric is a number of a subject under a load.
type metric struct {
	name string
	unit *unit
	of   func(*Measured) float64 // less than 0: not known
	// round returns the value in one round; 0: none; less than 0: not known. It is nil for metrics
	// that are not compared round by round.
	round func(Round) float64
	// latency marks a percentile, and above is the number of 1000 latencies that are longer.
	latency bool
	above   int64
}

var metrics = []metric{
	{name: "rate", unit: perSecond, of: func(m *Measured) float64 { return m.Rate }, round: func(r Round) float64 { return r.Rate }},
	percentile("p50", 500, func(l Latency) time.Duration { return l.P50 }),
	percentile("p90", 100, func(l Latency) time.Duration { return l.P90 }),
	percentile("p99", 10, func(l Latency) time.Duration { return l.P99 }),
	percentile("p99.9", 1, func(l Latency) time.Duration { return l.P999 }),
	percentile("max", 0, func(l Latency) time.Duration { return l.Max }),
	{name: "cpu", unit: nanoseconds, of: func(m *Measured) float64 { return float64(m.Cost.CPU) }, round: func(r Round) float64 {
		if r.Requests <= 0 {
			return 0
		}
		return float64(r.CPU) / float64(r.Requests)
	}},
	{name: "memory", unit: size, of: func(m *Measured) float64 { return float64(m.Cost.Proportional) }},
	{name: "resident", unit: size, of: func(m *Measured) float64 { return float64(m.Cost.Resident) }},
	{name: "switches", unit: count, of: func(m *Measured) float64 { return m.Cost.Switches }},
	{name: "started", unit: count, of: func(m *Measured) float64 { return float64(m.Cost.Started) }},
	{name: "processes", unit: count, of: func(m *Measured) float64 { return float64(m.Cost.Processes) }},
	{name: "threads", unit: count, of: func(m *Measured) float64 { return float64(m.Cost.Threads) }},
	{name: "descriptors", unit: count, of: func(m *Measured) float64 { return float64(m.Cost.Descriptors) }},
	{name: "errors", unit: count, of: func(m *Measured) float64 { return float64(m.failed()) }},
	{name: "unserved", unit: count, of: func(m *Measured) float64 { return float64(m.Unserved) }},
	{name: "unfinished", unit: count, of: func(m *Measured) float64 { return float64(m.Unfinished) }},
}

// Compared are the metrics that [Conclude] compares.
var Compared = []string{"rate", "p50", "p99", "cpu"}

func percentile(name string, above int64, of func(Latency) time.Duration) metric {
	// With fewer answers than that none is above the percentile, and it would equal the longest.
	enough := func(answers int64) bool { return answers > 0 && (above == 0 || answers*above >= 1000) }
	return metric{
		name: name, unit: nanoseconds, latency: true, above: above,
		of: func(m *Measured) float64 {
			if !enough(m.requests()) {
				return -1
			}
			return float64(of(m.Latency))
		},
		round: func(r Round) float64 {
			if !enough(r.Requests) {
				return 0
			}
			return float64(of(r.Latency))
		},
	}
}

// over reports whether a percentile is only a lower bound: requests of unknown latency are as many
// as the latencies above it, and it would be longer if they had been waited for.
func (m *metric) over(d *Measured) bool {
	missing := d.Unanswered()
	return m.latency && missing > 0 && 1000*missing >= m.above*(d.requests()+missing)
}

// metricNamed returns nil if there is none. The name of p99.9 may be written without its dot.
func metricNamed(name string) *metric {
	if name == "p999" {
		name = "p99.9"
	}
	return find(metrics, func(m *metric) bool { return m.name == name })
}

// Number returns the value of a metric, less than 0 if it is not known, and reports whether that is
// only a lower bound, as too many requests have no known latency.
func (d *Measured) Number(name string) (v float64, over bool) {
	m := metricNamed(name)
	v = m.of(d)
	return v, v >= 0 && m.over(d)
}

// Text returns the value of a metric as in 3.1 ms, or >3.1 ms for a lower bound; "-": not known.
func (d *Measured) Text(name string) string {
	v, over := d.Number(name)
	text := metricNamed(name).unit.format(v)
	switch {
	case v < 0:
		return "-"
	case over:
		return ">" + text
	}
	return text
}

// value returns what was measured, or why there is no value to rely on.
func (m *metric) value(d *Measured) (v float64, why string) {
	switch {
	case d == nil, d.Problem == "" && len(d.Rounds) == 0:
		return 0, "not measured"
	case d.Problem != "":
		return 0, d.Problem
	}
	v = m.of(d)
	switch answers := d.requests(); {
	case v < 0 && answers == 0:
		return 0, "no request was answered"
	case v < 0 && m.latency:
		return 0, fmt.Sprintf("%s of the %d that it needs", text.Counted(int(answers), "answer"), 1000/m.above)
	case v < 0:
		return 0, "not known"
	case m.over(d):
		return 0, fmt.Sprintf("more than %s, as %s failed or still waited when a round ended", m.unit.format(v), text.Counted(int(d.Unanswered()), "request"))
	}
	return v, ""
}

// compare compares two subjects round by round. It returns false if that is not possible.
func (m *metric) compare(subject, base *Measured) (Ratio, bool) {
	rounds := func(d *Measured) (values []float64) {
		if _, why := m.value(d); why != "" {
			return nil
		}
		for _, r := range d.Rounds {
			values = append(values, m.round(r))
		}
		return values
	}
	return ratioOf(rounds(subject), rounds(base))
}

// Failures lists the requests that failed by kind, as in "2 timeout".
func (d *Measured) Failures() []string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(d.Errors)) {
		all = append(all, fmt.Sprintf("%d %s", d.Errors[kind], kind))
	}
	return all
}

// failed returns the number of requests that failed.
func (d *Measured) failed() int64 {
	var sum int64
	for _, n := range d.Errors {
		sum += n
	}
	return sum
}

// requests returns the number of requests that were answered.
func (d *Measured) requests() int64 {
	var sum int64
	for _, r := range d.Rounds {
		sum += r.Requests
	}
	return sum
}

// Unanswered returns the number of requests of unknown latency: unfinished and failed ones.
func (d *Measured) Unanswered() int64 { return d.Unfinished + d.failed() }
