package result

import "slices"

// An order determines places.
type order struct {
	metric *metric
	better string // the verdict on the better one of two
}

// order is by rate in a closed loop, and by p99 at a fixed pace, where all rates are the pace.
func (s Settings) order() order {
	if s.Rate > 0 {
		return order{metricNamed("p99"), Less}
	}
	return order{metricNamed("rate"), More}
}

// beats reports whether one is certain to be better than the other.
func (o order) beats(one, other *Measured) bool {
	q, ok := o.metric.compare(one, other)
	return ok && q.verdict() == o.better
}

// rank orders the subjects under a load.
//
// Equality is not transitive: if a and b are equal, and b and c, a may still be better than c. So the
// first place has all that no other is certain to be better than, the second those that only the
// first are better than, and so on. Within a place subjects are in the order of their turns.
func rank(r *Report, l *Load) Ranking {
	order := r.Settings.order()
	var left []*Measured
	for i := range l.Results {
		if m := &l.Results[i]; m.Problem == "" && r.unplaced(l, m) == "" {
			left = append(left, m)
		}
	}
	ranking := Ranking{Load: l.Kind, Metric: order.metric.name, Places: [][]string{}}
	for len(left) > 0 {
		var place []string
		var behind []*Measured
		for _, m := range left {
			if slices.ContainsFunc(left, func(other *Measured) bool { return order.beats(other, m) }) {
				behind = append(behind, m)
			} else {
				place = append(place, m.Subject)
			}
		}
		if len(place) == 0 { // a cycle, which only noise can cause
			for _, m := range left {
				place = append(place, m.Subject)
			}
			behind = nil
		}
		ranking.Places, left = append(ranking.Places, place), behind
	}
	return ranking
}
