package result

import (
	"cmp"
	"math"
	"slices"
)

// rank orders the subjects under a load by rate.
//
// That two are equal is not transitive: where a and b are, and b and c, a may still be more
// than c. So they are sorted by the mean of their rates, and a place ends only where
// every subject before that point is more than every subject after it. Two that are equal
// thus share a place, and so does whatever lies between them: an order that is shown is one
// that was found for each pair. Inside a place subjects stand in the order in which they take
// turns. A subject with a problem, or with a round without an answer, has no place; with too
// few rounds there are none.
func rank(l *Load) Ranking {
	rate := metricNamed("rate")
	var sorted []*Measured
	for i := range l.Results {
		if _, ok := rate.compare(&l.Results[i], &l.Results[i]); ok {
			sorted = append(sorted, &l.Results[i])
		}
	}
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

func meanLog(m *Measured) float64 {
	var sum float64
	for _, r := range m.Rounds {
		sum += math.Log(r.Rate)
	}
	return sum / float64(len(m.Rounds))
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
