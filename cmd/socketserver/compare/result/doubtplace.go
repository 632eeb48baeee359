package result

import "fmt"

// withoutPlace says why subjects that were measured to the end are not in the ranking.
func withoutPlace(r *Report, l *Load, ranking *Ranking) {
	for i := range l.Results {
		m := &l.Results[i]
		if m.Problem != "" || len(m.Rounds) == 0 || ranking.placed(m.Subject) {
			continue
		}
		if why := m.unplaced(); why != "" {
			r.warn(fmt.Sprintf("%s: %s has no place: %s", l.Kind, m.Subject, why))
		}
	}
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
