package result

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// rank orders the subjects under a load by rate.
//
// That two are equal is not transitive: where a and b are, and b and c, a may still be more
// than c. So they are sorted by the mean of their rates, and a place ends only where
// every subject before that point is more than every subject after it. Two that are equal
// thus share a place, and so does whatever lies between them: an order that is shown is one
// that was found for each pair. Inside a place subjects stand in the order in which they take
// turns. What is [Measured.unplaced], or varied too much, has no place; with too few rounds
// there are none.
func rank(l *Load) Ranking {
	rate := metricNamed("rate")
	var sorted []*Measured
	for i := range l.Results {
		m := &l.Results[i]
		if _, ok := rate.compare(m, m); ok && m.unplaced() == "" {
			sorted = append(sorted, m)
		}
	}
	sorted = settled(sorted)
	slices.SortStableFunc(sorted, func(a, b *Measured) int { return cmp.Compare(meanLog(b), meanLog(a)) })

	ranking := Ranking{Load: l.Kind, Metric: rate.name, Places: [][]string{}}
	for start, end := 0, 1; end <= len(sorted); end++ {
		if end == len(sorted) || apart(sorted[:end], sorted[end:]) {
			ranking.Places = append(ranking.Places, l.inTurn(sorted[start:end]))
			start = end
		}
	}
	return ranking
}

// settled leaves out subjects until all pairs can be told apart, or can be told to be equal:
// one that varies so much that it may be anywhere would make one place of many. Of those
// that are in doubt it is the one that varied the most itself that goes.
func settled(all []*Measured) []*Measured {
	for {
		var worst *Measured
		for _, m := range all {
			if m.undecided(all) && (worst == nil || deviationLog(m) > deviationLog(worst)) {
				worst = m
			}
		}
		if worst == nil {
			return all
		}
		all = slices.DeleteFunc(all, func(m *Measured) bool { return m == worst })
	}
}

// undecided says whether the rate can not be told from that of one of the others.
func (m *Measured) undecided(others []*Measured) bool {
	return slices.ContainsFunc(others, func(other *Measured) bool {
		q, _ := metricNamed("rate").compare(m, other)
		return q.undecided()
	})
}

func meanLog(m *Measured) float64 {
	mean, _ := spread(m.logs())
	return mean
}

func deviationLog(m *Measured) float64 {
	_, deviation := spread(m.logs())
	return deviation
}

// logs are those of the rates.
func (m *Measured) logs() []float64 {
	rates := metricNamed("rate").rounds(m)
	for i := range rates {
		rates[i] = math.Log(rates[i])
	}
	return rates
}

// apart says whether each of the first is more than each of the others.
func apart(first, others []*Measured) bool {
	rate := metricNamed("rate")
	for _, a := range first {
		for _, b := range others {
			if q, ok := rate.compare(a, b); !ok || q.verdict() != More {
				return false
			}
		}
	}
	return true
}

func (l *Load) inTurn(place []*Measured) []string {
	var names []string
	for i := range l.Results {
		if slices.Contains(place, &l.Results[i]) {
			names = append(names, l.Results[i].Subject)
		}
	}
	return names
}

// unplaced says why a subject can not have a place although it was measured; empty: nothing
// of what it did itself is against one. A rate is worth nothing where requests fail.
func (m *Measured) unplaced() string {
	silent := 0
	for _, r := range m.Rounds {
		if r.Rate <= 0 {
			silent++
		}
	}
	var why []string
	if silent > 0 {
		why = append(why, fmt.Sprintf("nothing was answered in %d of %s", silent, counted(len(m.Rounds), "round")))
	}
	if m.failing() {
		failed := m.errors() / (m.errors() + float64(m.requests()))
		why = append(why, fmt.Sprintf("%s of its requests failed, most often with %s", percent(failed), m.commonest()))
	}
	return strings.Join(why, ", and ")
}

// failing says whether more than 1 % of the requests failed.
func (m *Measured) failing() bool { return 99*m.errors() > float64(m.requests()) }

// commonest is the kind of the most errors; of several, the first in the alphabet.
func (m *Measured) commonest() (kind string) {
	for _, k := range slices.Sorted(maps.Keys(m.Errors)) {
		if kind == "" || m.Errors[k] > m.Errors[kind] {
			kind = k
		}
	}
	return kind
}

// placed says whether the subject has a place.
func (r *Ranking) placed(subject string) bool {
	return slices.ContainsFunc(r.Places, func(place []string) bool { return slices.Contains(place, subject) })
}
