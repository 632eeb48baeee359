package result

import (
	"fmt"
	"slices"
	"strings"
)

// fastest names the first place under each load, and what it is certain to be ahead of.
func fastest(e *evidence) string {
	return e.underEach(func(l *Load) string {
		i := slices.IndexFunc(e.report.Ranks, func(r Ranking) bool { return r.Load == l.Kind })
		if e.report.Settings.Rate > 0 {
			return e.pace(l, e.report.Ranks[i].Places)
		}
		return e.first(l, e.report.Ranks[i].Places)
	})
}

func (e *evidence) first(l *Load, places [][]string) string {
	all := l.measured()
	if len(all) == 1 {
		return "there is only " + e.shown(l, "rate", subjects(all))
	}
	if len(places) == 0 {
		return "no order can be told: " + e.shown(l, "rate", subjects(all))
	}
	best, among := places[0], ""
	if len(slices.Concat(places...)) < len(all) {
		among = " of those with a place"
	}
	rates := e.numbers(l.Kind, "rate", best)
	behind := e.beaten(l, places)
	switch {
	case len(places) == 1 && len(best) == 1:
		others := slices.DeleteFunc(subjects(all), func(s string) bool { return s == best[0] })
		return fmt.Sprintf("%s alone has a place, with %s; the warnings say why not %s", best[0], rates, list(others))
	case len(behind) == 0:
		return fmt.Sprintf("no rate%s is certain to be the best: %s share the first place (%s)", among, list(best), rates)
	case len(best) > 1:
		return fmt.Sprintf("%s share the first place%s (%s), ahead of %s (%s)",
			list(best), among, rates, list(behind), e.numbers(l.Kind, "rate", behind))
	}
	text := fmt.Sprintf("%s is fastest%s with %s, ", best[0], among, rates)
	if q, ok := e.ratio(l.Kind, "rate", best[0], behind[0]); ok && len(behind) == 1 {
		return text + fmt.Sprintf("%s the %s of %s", e.times(q, l.Kind, "rate", best[0], behind[0]), e.number(l.Kind, "rate", behind[0]), behind[0])
	}
	return text + fmt.Sprintf("ahead of %s (%s)", list(behind), e.numbers(l.Kind, "rate", behind))
}

// beaten are those that all in the first place are certain to be better than, of the highest
// place that has any: that somebody else stands lower says only that one of them is.
func (e *evidence) beaten(l *Load, places [][]string) []string {
	order := e.report.Settings.order()
	for _, place := range places[1:] {
		behind := slices.DeleteFunc(slices.Clone(place), func(name string) bool {
			return slices.ContainsFunc(places[0], func(best string) bool { return !order.beats(l.of(best), l.of(name)) })
		})
		if len(behind) > 0 {
			return behind
		}
	}
	return nil
}

// pace names those that answered as much as was asked for, and the shortest p99 of them. What
// they could answer is not known.
func (e *evidence) pace(l *Load, places [][]string) string {
	var kept, fell []string
	for _, m := range l.measured() {
		if e.report.behind(m) == "" {
			kept = append(kept, m.Subject)
		} else {
			fell = append(fell, m.Subject)
		}
	}
	asked := perSecond.format(e.report.Settings.Rate)
	e.rest("settings.rate = %s", asked)
	if len(kept) == 0 {
		return fmt.Sprintf("nobody kept the pace of %s: %s", asked, e.shown(l, "rate", fell))
	}
	text := fmt.Sprintf("%s kept the pace of %s (%s)", list(kept), asked, e.between(l, "rate", kept))
	if len(fell) > 0 {
		text += fmt.Sprintf(", and %s did not (%s)", list(fell), e.numbers(l.Kind, "rate", fell))
	}
	if len(places) == 0 || len(places) == 1 && len(places[0]) == 1 {
		return text
	}
	best, behind := places[0], e.beaten(l, places)
	p99 := e.numbers(l.Kind, "p99", best)
	switch {
	case len(behind) == 0:
		return text + fmt.Sprintf("; no p99 is certain to be the shortest: %s share the first place (%s)", list(best), p99)
	case len(best) > 1:
		text += fmt.Sprintf("; %s share the first place by p99 (%s)", list(best), p99)
	default:
		text += fmt.Sprintf("; %s has the shortest p99 with %s", best[0], p99)
	}
	return text + fmt.Sprintf(", ahead of %s (%s)", list(behind), e.numbers(l.Kind, "p99", behind))
}

// isolation says what a process for each request costs, and what lies between that and none.
func isolation(e *evidence) string {
	load, form := e.perRequest(), e.form()
	threading, forking := e.plain("threading", form), e.plain("forking", form)
	switch e.verdict(load, "rate", threading, forking) {
	case More:
		text := fmt.Sprintf("a process for each request costs time under %s: %s answers %s and %s %s",
			load, threading, e.number(load, "rate", threading), forking, e.number(load, "rate", forking))
		if q, ok := e.ratio(load, "cpu", forking, threading); ok && q.verdict() == More {
			text += fmt.Sprintf(", with %s of CPU per request against %s, %s as much",
				e.number(load, "cpu", forking), e.number(load, "cpu", threading), e.times(q, load, "cpu", forking, threading))
		}
		return text + e.middle(load, form, threading, forking)
	case Equal:
		return fmt.Sprintf("a process for each request is not certain to cost more than a tenth under %s: %s answers %s and %s %s",
			load, threading, e.number(load, "rate", threading), forking, e.number(load, "rate", forking))
	}
	return ""
}

// middle places what uses a process again between threading and forking.
func (e *evidence) middle(load, form, threading, forking string) string {
	reusing := e.subject(func(s Subject) bool { return s.Strategy == "forking" && s.Form == form && s.reuses() })
	var text string
	for _, s := range []string{reusing, e.plain("preforking", form)} {
		if e.verdict(load, "rate", s, forking) != More {
			continue
		}
		switch e.verdict(load, "rate", s, threading) {
		case Less:
			text += fmt.Sprintf("; %s is in between with %s", s, e.number(load, "rate", s))
		case Equal:
			text += fmt.Sprintf("; %s, which uses processes too, is not certain to differ from %s by more than a tenth (%s)", s, threading, e.number(load, "rate", s))
		}
	}
	return text
}

// pluginForm says what it costs that the handler is a program of its own.
func pluginForm(e *evidence) string {
	return e.against("what a plugin costs", e.plain("threading", Compiled), e.plain("threading", Plugin))
}

// peers says how the strategies do against Python's.
func peers(e *evidence) string {
	for _, strategy := range []string{"threading", "forking"} {
		if text := e.against("against Python", e.plain(strategy, e.form()), e.plain(strategy, Python)); text != "" {
			return text
		}
	}
	return ""
}

// against compares the rates of two under every load.
func (e *evidence) against(title, subject, base string) string {
	var clauses []string
	for _, l := range e.report.Loads {
		switch q, _ := e.ratio(l.Kind, "rate", subject, base); e.verdict(l.Kind, "rate", subject, base) {
		case More:
			clauses = append(clauses, fmt.Sprintf("under %s %s answers %s, %s the %s of %s", l.Kind, subject, e.number(l.Kind, "rate", subject),
				e.times(q, l.Kind, "rate", subject, base), e.number(l.Kind, "rate", base), base))
		case Equal:
			clauses = append(clauses, fmt.Sprintf("under %s %s and %s are not certain to differ by more than a tenth (%s)",
				l.Kind, subject, base, e.numbers(l.Kind, "rate", []string{subject, base})))
		}
	}
	if len(clauses) == 0 {
		return ""
	}
	return title + ": " + strings.Join(clauses, "; ")
}
