package result

import (
	"fmt"
	"strings"
)

// nearly is the share of what was asked for that is as good as all of it.
const nearly = 0.95

// withoutPlace says why subjects that were measured to the end are not in the ranking.
func withoutPlace(r *Report, l *Load, ranking *Ranking) {
	for _, m := range l.measured() {
		if why := r.unplaced(l, m); why != "" && !ranking.placed(m.Subject) {
			r.warn(fmt.Sprintf("%s: %s has no place: %s", l.Kind, m.Subject, why))
		}
	}
}

// unplaced says why a subject can not have a place although it was measured; empty: nothing
// of what it did itself is against one.
func (r *Report) unplaced(l *Load, m *Measured) string {
	var why []string
	for _, reason := range []string{m.silent(), m.failure(), r.selective(l, m), r.behind(m)} {
		if reason != "" {
			why = append(why, reason)
		}
	}
	if len(why) == 0 && len(m.Rounds) >= leastRounds {
		return r.unordered(m)
	}
	return strings.Join(why, ", and ")
}

func (m *Measured) silent() string {
	silent := 0
	for _, r := range m.Rounds {
		if r.Rate <= 0 {
			silent++
		}
	}
	if silent == 0 {
		return ""
	}
	return fmt.Sprintf("nothing was answered in %d of %s", silent, counted(len(m.Rounds), "round"))
}

// failure is of those of which too much fails: a rate is worth nothing there.
func (m *Measured) failure() string {
	if !m.failing() {
		return ""
	}
	failed := m.errors() / (m.errors() + float64(m.requests()))
	return fmt.Sprintf("%s of its requests failed, most often with %s", percent(failed), m.commonest())
}

// selective is of those that leave clients out of long conversations: who serves one of them
// alone is quick to do so. Under the other kinds of load such a client was only unlucky.
func (r *Report) selective(l *Load, m *Measured) string {
	if l.Kind != Conversations || m.Unserved == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s got no answer", m.Unserved, counted(r.Settings.Clients, "client"))
}

// behind is of those that did not keep the pace that was asked for.
func (r *Report) behind(m *Measured) string {
	asked := r.Settings.Rate
	if m.Rate >= nearly*asked {
		return ""
	}
	return fmt.Sprintf("it answered %s of the %s that were asked for, and is at its limit", perSecond.format(m.Rate), perSecond.format(asked))
}

// unordered is of those that lack what the order is by.
func (r *Report) unordered(m *Measured) string {
	metric := r.Settings.order().metric
	if _, why := metric.value(m); why != "" {
		return fmt.Sprintf("its %s is not known: %s", metric.name, why)
	}
	if _, ok := metric.compare(m, m); !ok {
		return fmt.Sprintf("too little was answered in a round to know its %s there; use a longer --duration", metric.name)
	}
	return ""
}
