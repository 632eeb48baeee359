package result

import (
	"slices"
	"time"
)

// Conclude sets what follows from what was measured and observed: Rate, Latency and Cost.CPU of every
// Measured if they are 0, then Comparisons, Ranks, Noisy and Advice, and adds to Warnings.
// Assertions come from [Condition.Check].
func Conclude(r *Report) {
	r.Comparisons, r.Ranks, r.Advice, r.Noisy = []Comparison{}, []Ranking{}, []Advice{}, false
	for i := range r.Loads {
		l := &r.Loads[i]
		for j := range l.Results {
			l.Results[j].sum()
		}
		r.Comparisons = append(r.Comparisons, compareAll(l)...)
		r.Ranks = append(r.Ranks, rank(r, l))
	}
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	conclude(r, doubt(r))
}

// sum sets the totals of the rounds.
func (m *Measured) sum() {
	if len(m.Rounds) == 0 {
		return
	}
	if m.Rate == 0 {
		m.Rate = medianOf(m.Rounds, func(r Round) float64 { return r.Rate })
	}
	if m.Latency == (Latency{}) {
		middle := func(of func(Latency) time.Duration) time.Duration {
			return medianOf(m.Rounds, func(r Round) time.Duration { return of(r.Latency) })
		}
		m.Latency = Latency{
			P50:  middle(func(l Latency) time.Duration { return l.P50 }),
			P90:  middle(func(l Latency) time.Duration { return l.P90 }),
			P99:  middle(func(l Latency) time.Duration { return l.P99 }),
			P999: middle(func(l Latency) time.Duration { return l.P999 }),
		}
		for _, r := range m.Rounds {
			m.Latency.Max = max(m.Latency.Max, r.Latency.Max)
		}
	}
	if m.Cost.CPU == 0 {
		m.Cost.CPU = m.cpu()
	}
}

// cpu returns the time per answered request, of the rounds in which it was measured; less than 0 if
// there are none.
func (m *Measured) cpu() time.Duration {
	var used, requests time.Duration
	for _, r := range m.Rounds {
		if r.CPU >= 0 {
			used += r.CPU
			requests += time.Duration(r.Requests)
		}
	}
	if requests == 0 {
		return -1
	}
	return used / requests
}

func medianOf[T float64 | time.Duration](rounds []Round, of func(Round) T) T {
	var values []T
	for _, r := range rounds {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// compareAll compares every subject with the base: threading, or the first one with an answer if
// threading has none.
func compareAll(l *Load) []Comparison {
	base := l.base()
	var all []Comparison
	for i := range l.Results {
		subject := &l.Results[i]
		if subject == base {
			continue
		}
		for _, name := range compared {
			if q, ok := metricNamed(name).compare(subject, base); ok {
				all = append(all, Comparison{l.Kind, name, subject.Subject, base.Subject, q, q.verdict()})
			}
		}
	}
	return all
}

func (l *Load) base() *Measured {
	usable := func(m *Measured) bool { return m != nil && m.Problem == "" && m.requests() > 0 }
	if m := l.of("threading"); usable(m) {
		return m
	}
	for i := range l.Results {
		if usable(&l.Results[i]) {
			return &l.Results[i]
		}
	}
	return nil
}
