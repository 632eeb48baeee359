package result

import (
	"fmt"
	"strings"
	"time"
)

// A Percentile is one number of a latency, and what is known of it.
type Percentile struct {
	Name  string        // p50, p90, p99, p99.9 or max
	Value time.Duration // 0: there were too few answers to know it
	Over  bool          // it is longer than Value, as too many requests have no known latency
}

// A percentileRank is which of the latencies a percentile is; above says how many of 1000 are longer.
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

// Percentiles are those of all rounds, in ascending order, the longest latency last.
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

// enough says whether one of so many answers lies above the percentile: with fewer it would
// be another name for the longest.
func (p percentileRank) enough(answers int64) bool { return p.above == 0 || answers*p.above >= 1000 }

// over says whether the requests without an answer may be all that lies above the percentile,
// and more: had they been waited for, it would be longer. One that failed was not answered in
// any time, whatever it failed of.
func (p percentileRank) over(m *Measured) bool {
	missing := m.Unanswered()
	return missing > 0 && 1000*missing >= p.above*(m.requests()+missing)
}

// Unanswered is how many requests there are of whose latency no more is known than that it is
// longer than what was counted: those that were unfinished, and those that failed.
func (m *Measured) Unanswered() int64 { return m.Unfinished + m.failed() }

// doubt says why the percentile is not known; empty: it is.
func (p percentileRank) doubt(m *Measured) string {
	switch answers := m.requests(); {
	case answers == 0:
		return ""
	case !p.enough(answers):
		return fmt.Sprintf("it could not be found out: there were %s, and it takes %d", counted(int(answers), "answer"), 1000/p.above)
	case p.over(m):
		return fmt.Sprintf("more than %s: %s", nanoseconds.format(float64(p.of(m.Latency))), m.whyUnanswered())
	}
	return ""
}

// whyUnanswered is as in: 2 requests failed, and 1 was still waiting when a round ended.
func (m *Measured) whyUnanswered() string {
	was := "were"
	if m.Unfinished == 1 {
		was = "was"
	}
	const waiting = "%s %s still waiting when a round ended"
	switch failed := m.failed(); {
	case failed == 0:
		return fmt.Sprintf(waiting, counted(int(m.Unfinished), "request"), was)
	case m.Unfinished == 0:
		return counted(int(failed), "request") + " failed"
	default:
		return fmt.Sprintf("%s failed, and "+waiting, counted(int(failed), "request"), fmt.Sprint(m.Unfinished), was)
	}
}

// metric is the percentile as one that is compared. A round with too few answers has none.
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
