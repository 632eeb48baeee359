package result

import (
	"maps"
	"slices"
)

// An order is what places are given by.
type order struct {
	metric *metric
	better string // the verdict on who is to stand before the other
}

// order is by rate where clients ask for as much as they can get. Where they ask for so much
// and no more, rates are what was asked for, and it is by p99.
func (s Settings) order() order {
	if s.Rate > 0 {
		return order{metricNamed("p99"), Less}
	}
	return order{metricNamed("rate"), More}
}

// beats says whether one is certain to be better than the other.
func (o order) beats(one, other *Measured) bool {
	q, ok := o.metric.compare(one, other)
	return ok && q.verdict() == o.better
}

// rank orders the subjects under a load.
//
// That two are equal is not transitive: where a and b are, and b and c, a may still be
// better than c. So the first place is for all that no other one is told to be better than, the
// second for those that only the first are better than, and so on: no two that share a place can
// be told apart, and everybody below has somebody above, but not everybody, who was found to be
// better. Inside a place subjects stand in the order in which they take turns. What is unplaced
// has no place, and takes none from others; with too few rounds there are none.
func rank(r *Report, l *Load) Ranking {
	order := r.Settings.order()
	var left []*Measured
	for i := range l.Results {
		m := &l.Results[i]
		if _, ok := order.metric.compare(m, m); ok && r.unplaced(l, m) == "" {
			left = append(left, m)
		}
	}
	ranking := Ranking{Load: l.Kind, Metric: order.metric.name, Places: [][]string{}}
	for len(left) > 0 {
		place := order.unbeaten(left)
		ranking.Places = append(ranking.Places, l.inTurn(place))
		left = slices.DeleteFunc(left, func(m *Measured) bool { return slices.Contains(place, m) })
	}
	return ranking
}

// unbeaten are those that none of the others is better than. Should each have one that is,
// which only noise can bring about, it is all of them.
func (o order) unbeaten(all []*Measured) []*Measured {
	var best []*Measured
	for _, m := range all {
		if !slices.ContainsFunc(all, func(other *Measured) bool { return o.beats(other, m) }) {
			best = append(best, m)
		}
	}
	if len(best) == 0 {
		return slices.Clone(all)
	}
	return best
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
