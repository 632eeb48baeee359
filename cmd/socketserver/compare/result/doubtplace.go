package result

import (
	"fmt"
	"strings"
)

// nearly is the share of the pace that counts as keeping it.
const nearly = 0.95

// withoutPlace warns about subjects that were measured to the end and are not ranked.
func withoutPlace(r *Report, l *Load, ranking *Ranking) {
	for _, m := range l.measured() {
		if why := r.unplaced(l, m); why != "" && !ranking.placed(m.Subject) {
			r.warn(fmt.Sprintf("%s: %s has no place: %s", l.Kind, m.Subject, why))
		}
	}
}

// unplaced returns why a measured subject has no place; empty: it may have one.
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
	return fmt.Sprintf("nothing was answered in %d of %s", silent, Counted(len(m.Rounds), "round"))
}

// failure is the reason of a subject that fails too many requests.
func (m *Measured) failure() string {
	if !m.failing() {
		return ""
	}
	failed := m.errors() / (m.errors() + float64(m.requests()))
	return fmt.Sprintf("%s of its requests failed, most often with %s", percent(failed), m.commonest())
}

// selective is the reason of a subject that leaves clients out of conversations: serving few is easy.
// Under other kinds of load such a client was only unlucky.
func (r *Report) selective(l *Load, m *Measured) string {
	if l.Kind != Conversations || m.Unserved == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s got no answer", m.Unserved, Counted(r.Settings.Clients, "client"))
}

// behind is the reason of a subject that did not keep the pace.
func (r *Report) behind(m *Measured) string {
	asked := r.Settings.Rate
	if m.Rate >= nearly*asked {
		return ""
	}
	return fmt.Sprintf("it answered %s of the required %s", perSecond.format(m.Rate), perSecond.format(asked))
}

// unordered is the reason of a subject without the metric of the order.
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
