package result

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rank orders the subjects under a load by rate.
//
// That two are equal is not transitive: where a and b are, and b and c, a may still be more
// than c. So the first place is for all that no other one is told to be more than, the second for
// those that only the first are more than, and so on: no two that share a place can be told
// apart, and everybody below has somebody above who was found to be more. Inside a place subjects
// stand in the order in which they take turns. What is [Measured.unplaced] has no place; with too
// few rounds there are none.
func rank(l *Load) Ranking {
	rate := metricNamed("rate")
	var left []*Measured
	for i := range l.Results {
		m := &l.Results[i]
		if _, ok := rate.compare(m, m); ok && m.unplaced() == "" {
			left = append(left, m)
		}
	}
	ranking := Ranking{Load: l.Kind, Metric: rate.name, Places: [][]string{}}
	for len(left) > 0 {
		place := unbeaten(left)
		ranking.Places = append(ranking.Places, l.inTurn(place))
		left = slices.DeleteFunc(left, func(m *Measured) bool { return slices.Contains(place, m) })
	}
	return ranking
}

// unbeaten are those that none of the others is more than. Should each have one that is more,
// which only noise can bring about, it is all of them.
func unbeaten(all []*Measured) []*Measured {
	var best []*Measured
	for _, m := range all {
		if !slices.ContainsFunc(all, func(other *Measured) bool {
			q, ok := metricNamed("rate").compare(other, m)
			return ok && q.verdict() == More
		}) {
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
