package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// nothing says why there is no advice, where nobody was measured under any load.
func nothing(e *evidence) string {
	var clauses []string
	for i := range e.report.Loads {
		l := &e.report.Loads[i]
		if len(l.measured()) > 0 {
			return ""
		}
		if len(l.Results) > 0 {
			clauses = append(clauses, "under "+l.Kind+" "+e.problems(l))
		}
	}
	if len(clauses) == 0 {
		return ""
	}
	return "nothing could be measured, and so nothing tells the subjects apart: " + strings.Join(clauses, "; ")
}

// problems are those of the subjects under a load, each said once.
func (e *evidence) problems(l *Load) string {
	var all []group
	for _, m := range l.Results {
		why := m.Problem
		if why == "" {
			why = "there was no round"
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.seen == why })
		if i < 0 {
			i, all = len(all), append(all, group{seen: why})
		}
		all[i].subjects = append(all[i].subjects, m.Subject)
	}
	var parts []string
	for _, g := range all {
		e.rest("%s.problem = %s (%s)", l.Kind, g.seen, list(g.subjects))
		parts = append(parts, fmt.Sprintf("%s (%s)", g.seen, list(g.subjects)))
	}
	return strings.Join(parts, ", ")
}

// latency is how long requests take. With a pace p99 is said elsewhere.
func latency(e *evidence) string {
	percentiles := []string{"p99", "p90", "p50", "max"}
	if e.report.Settings.Rate > 0 {
		percentiles = []string{"p50", "p90", "max"}
	}
	return e.underEach(func(l *Load) string {
		for _, metric := range percentiles {
			if text := e.span(l, metric); text != "" {
				return metric + " " + text
			}
		}
		var parts []string
		for _, m := range l.measured() {
			e.rest("%s.%s.unanswered = %d", m.Subject, l.Kind, m.Unanswered())
			parts = append(parts, fmt.Sprintf("%d with %s", m.Unanswered(), m.Subject))
		}
		return "no latency is known, as requests failed or were still waiting when a round ended: " + list(parts)
	})
}

// cost is what a request takes of the machine: CPU time, or memory where that is not known.
func cost(e *evidence) string {
	return e.underEach(func(l *Load) string {
		if text := e.span(l, "cpu"); text != "" {
			return "the CPU time of a request " + text
		}
		if text := e.span(l, "memory"); text != "" {
			return "memory " + text
		}
		return ""
	})
}

// span goes from the least to the most, of those of whom the metric is known; empty: it is of
// none.
func (e *evidence) span(l *Load, name string) string {
	metric := metricNamed(name)
	var known []*Measured
	var unknown []string
	for _, m := range e.fair(l) {
		if _, why := metric.value(m); why != "" {
			unknown = append(unknown, m.Subject)
			continue
		}
		known = append(known, m)
	}
	if len(known) == 0 {
		return ""
	}
	slices.SortStableFunc(known, func(a, b *Measured) int { return cmp.Compare(metric.of(a), metric.of(b)) })
	least, most := known[0].Subject, known[len(known)-1].Subject
	low, high := e.number(l.Kind, name, least), e.number(l.Kind, name, most)
	text := fmt.Sprintf("is %s with %s", low, list(subjects(known)))
	if low != high {
		text = fmt.Sprintf("goes from %s with %s to %s with %s", low, least, high, most)
		if e.verdict(l.Kind, name, most, least) == More {
			q, _ := e.ratio(l.Kind, name, most, least)
			text += fmt.Sprintf(", %s as much", e.times(q, l.Kind, name, most, least))
		}
	}
	if len(unknown) > 0 {
		text += ", and is not known of " + list(unknown)
	}
	return text
}

// certainty is what could not be told apart, and how much rates vary from round to round.
func certainty(e *evidence) string {
	return e.underEach(func(l *Load) string {
		var parts []string
		if text := e.alike(l); text != "" {
			parts = append(parts, text)
		}
		if text := e.variation(l); text != "" {
			parts = append(parts, text)
		}
		return strings.Join(parts, ", and ")
	})
}

// fair are those that answered all clients, without failing: what the others did for fewer is
// no measure. Where there is none it is all of them.
func (e *evidence) fair(l *Load) []*Measured {
	all := l.measured()
	fair := slices.DeleteFunc(slices.Clone(all), func(m *Measured) bool {
		return m.silent() != "" || m.failing() || e.report.selective(l, m) != ""
	})
	if len(fair) == 0 {
		return all
	}
	return fair
}

// alike names those of which no difference to what they are compared with is certain.
func (e *evidence) alike(l *Load) string {
	rounds := 0
	for _, m := range l.measured() {
		rounds = max(rounds, len(m.Rounds))
	}
	if rounds < leastRounds {
		e.rest("%s.rounds = %d", l.Kind, rounds)
		return counted(rounds, "round") + " can tell nothing apart"
	}
	metric := e.report.Settings.order().metric.name
	var parts []string
	base, fair := "", subjects(e.fair(l))
	for _, c := range e.report.Comparisons {
		unfair := !slices.Contains(fair, c.Subject) || !slices.Contains(fair, c.Base)
		if c.Load == l.Kind && c.Metric == metric && c.Verdict == Equal && !unfair {
			interval := fmt.Sprintf("%s to %s", count.format(c.Ratio.Low), count.format(c.Ratio.High))
			e.rest("%s.%s.%s by that of %s = %s", c.Subject, l.Kind, metric, c.Base, interval)
			parts, base = append(parts, fmt.Sprintf("%s (%s of it)", c.Subject, interval)), c.Base
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("no difference of more than a tenth by %s is certain between %s and %s", metric, base, list(parts))
}

// variation is that of the rate which differed most.
func (e *evidence) variation(l *Load) string {
	var widest *Measured
	var low, high float64
	for _, m := range e.fair(l) {
		rates := metricNamed("rate").rounds(m)
		if least, most := slices.Min(rates), slices.Max(rates); widest == nil || most*low > high*least {
			widest, low, high = m, least, most
		}
	}
	if len(widest.Rounds) == 1 {
		return ""
	}
	shown := fmt.Sprintf("%s to %s", perSecond.format(low), perSecond.format(high))
	e.rest("%s.%s.rounds.rate = %s", widest.Subject, l.Kind, shown)
	varied := "varied"
	if len(e.fair(l)) > 1 {
		varied = "varied most"
	}
	return fmt.Sprintf("from round to round the rate of %s %s, from %s", widest.Subject, varied, shown)
}
