package result

import "fmt"

// withoutPlace says why subjects that were measured to the end are not in the ranking.
func withoutPlace(r *Report, l *Load, ranking *Ranking) {
	for i := range l.Results {
		m := &l.Results[i]
		if m.Problem != "" || len(m.Rounds) == 0 || ranking.placed(m.Subject) {
			continue
		}
		why := m.unplaced()
		if why == "" && len(m.Rounds) >= leastRounds {
			why = "its rounds varied too much to tell"
		}
		if why != "" {
			r.warn(fmt.Sprintf("%s: %s has no place: %s", l.Kind, m.Subject, why))
		}
	}
}

// crowded names who joined places that are not the same: one of which the interval is too
// wide to tell it from any of several.
func crowded(r *Report, l *Load, ranking *Ranking) {
	for _, place := range ranking.Places {
		if name := l.joining(place); name != "" {
			r.warn(fmt.Sprintf("%s: %s share a place although some of them differ: %s varied too much to tell", l.Kind, list(place), name))
		}
	}
}

// joining is the subject with the widest interval of those that share a place; empty: all of
// them are equal, or their rates lie so close together that no interval is the reason.
func (l *Load) joining(place []string) (name string) {
	const wide = (1 + margin) * (1 + margin) // no room for it among those that are equal
	differ, widest := false, 0.0
	for _, a := range place {
		for _, b := range place {
			q, _ := metricNamed("rate").compare(l.of(a), l.of(b))
			switch {
			case q.verdict() != Equal:
				differ = true
			case q.High > wide*q.Low && deviationLog(l.of(a)) > widest:
				name, widest = a, deviationLog(l.of(a))
			}
		}
	}
	if !differ {
		return ""
	}
	return name
}

// behind says who did not keep the pace that was asked for.
func behind(r *Report, l *Load) {
	const nearly = 0.95
	for _, m := range l.Results {
		if asked := r.Settings.Rate; m.Problem == "" && len(m.Rounds) > 0 && m.Rate < nearly*asked {
			r.warn(fmt.Sprintf("%s: %s answered %s of the %s that were asked for; it is at its limit",
				l.Kind, m.Subject, perSecond.format(m.Rate), perSecond.format(asked)))
		}
	}
}
