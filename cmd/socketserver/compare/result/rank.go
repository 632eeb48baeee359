package result

import (
	"cmp"
	"slices"
)

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

// places returns those of a ranking without the subjects that are no choice.
func (e *evidence) places(ranking Ranking) [][]string {
	var all [][]string
	for _, place := range ranking.Places {
		if left := slices.DeleteFunc(slices.Clone(place), e.excluded); len(left) > 0 {
			all = append(all, left)
		}
	}
	return all
}

// best returns the subject with the best places under all loads, of those that fit; empty: none has a
// place. Of equal ones it is threading, which is the default, or the first.
func (e *evidence) best(fits func(name string) bool) string {
	const unplaced = 1000
	var names []string
	score := map[string]int{}
	for _, s := range e.Subjects {
		placed := false
		for _, ranking := range e.Ranks {
			at := slices.IndexFunc(e.places(ranking), func(p []string) bool { return slices.Contains(p, s.Name) })
			if placed = placed || at >= 0; at < 0 {
				at = unplaced
			}
			score[s.Name] += at
		}
		if placed && fits(s.Name) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int {
		usual := map[bool]int{true: 0, false: 1}
		return cmp.Or(cmp.Compare(score[a], score[b]), cmp.Compare(usual[a == "threading"], usual[b == "threading"]))
	})
}

// excluded reports whether a subject is no choice: servers of others and a compiled-in handler in a
// plugin are there to compare with, and serve refuses processes for a handler that keeps state.
func (e *evidence) excluded(name string) bool {
	s := e.subject(name)
	compiled := slices.ContainsFunc(e.Subjects, func(s Subject) bool { return s.Form == Compiled })
	return s.Form == Plugin && compiled || s.Form != Plugin && s.Form != Compiled || e.Settings.Stateful != "" && s.usesProcesses()
}
