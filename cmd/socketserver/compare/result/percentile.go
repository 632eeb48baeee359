package result

import (
	"fmt"
	"strings"
	"time"
)

// A Percentile is one number of a latency.
type Percentile struct {
	Name  string        // p50, p90, p99, p99.9 or max
	Value time.Duration // 0: not known, with too few answers
	Over  bool          // Value is a lower bound, as too many requests have no known latency
}

// A percentileRank is the rank of a percentile; above is the number of 1000 latencies that are longer.
type percentileRank struct {
	name  string
	above int64
	of    func(Latency) time.Duration
}

var percentileRanks = []percentileRank{
	{"p50", 500, func(l Latency) time.Duration { return l.P50 }},
	{"p90", 100, func(l Latency) time.Duration { return l.P90 }},
	{"p99", 10, func(l Latency) time.Duration { return l.P99 }},
	{"p99.9", 1, func(l Latency) time.Duration { return l.P999 }},
	{"max", 0, func(l Latency) time.Duration { return l.Max }},
}

// Percentiles returns those of all rounds in ascending order; the last is the longest latency.
func (m *Measured) Percentiles() []Percentile {
	var all []Percentile
	for _, p := range percentileRanks {
		found := Percentile{Name: p.name, Over: p.over(m)}
		if p.enough(m.requests()) {
			found.Value = p.of(m.Latency)
		}
		all = append(all, found)
	}
	return all
}

// enough reports whether one of so many answers is above the percentile: with fewer it would equal the
// longest.
func (p percentileRank) enough(answers int64) bool { return p.above == 0 || answers*p.above >= 1000 }

// over reports whether the requests without an answer are as many as the latencies above the
// percentile: it would be longer if they had been waited for. A failed request has no latency,
// whatever its error.
func (p percentileRank) over(m *Measured) bool {
	missing := m.Unanswered()
	return missing > 0 && 1000*missing >= p.above*(m.requests()+missing)
}

// Unanswered returns the number of requests of unknown latency: unfinished and failed ones.
func (m *Measured) Unanswered() int64 { return m.Unfinished + m.failed() }

// doubt returns why the percentile is not known; empty: it is.
func (p percentileRank) doubt(m *Measured) string {
	switch answers := m.requests(); {
	case answers == 0:
		return ""
	case !p.enough(answers):
		return fmt.Sprintf("%s of the %d that it needs", Counted(int(answers), "answer"), 1000/p.above)
	case p.over(m):
		return fmt.Sprintf("more than %s: %s", nanoseconds.format(float64(p.of(m.Latency))), m.whyUnanswered())
	}
	return ""
}

// whyUnanswered returns as in "2 requests failed, and 1 was still waiting when a round ended".
func (m *Measured) whyUnanswered() string {
	was := "were"
	if m.Unfinished == 1 {
		was = "was"
	}
	const waiting = "%s %s still waiting when a round ended"
	switch failed := m.failed(); {
	case failed == 0:
		return fmt.Sprintf(waiting, Counted(int(m.Unfinished), "request"), was)
	case m.Unfinished == 0:
		return Counted(int(failed), "request") + " failed"
	default:
		return fmt.Sprintf("%s failed, and "+waiting, Counted(int(failed), "request"), fmt.Sprint(m.Unfinished), was)
	}
}

// metric returns the percentile as a metric. A round with too few answers has no value.
func (p percentileRank) metric() metric {
	return metric{
		name: strings.ReplaceAll(p.name, ".", ""), unit: nanoseconds, doubt: p.doubt,
		of: func(m *Measured) float64 { return float64(p.of(m.Latency)) },
		round: func(r Round) float64 {
			if !p.enough(r.Requests) {
				return 0
			}
			return float64(p.of(r.Latency))
		},
	}
}
