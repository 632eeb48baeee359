package result

import (
	"fmt"
	"slices"
	"strings"
)

// fastest names the first place under each load, among those that answered every client:
// who serves one of them alone is quick to do so.
func fastest(e *evidence) string {
	var clauses []string
	for _, ranking := range e.report.Ranks {
		if clause := e.first(ranking); clause != "" {
			clauses = append(clauses, clause)
		}
	}
	return strings.Join(clauses, "; ")
}

func (e *evidence) first(ranking Ranking) string {
	places, complete := e.fair(ranking)
	if len(places) == 0 || len(places) == 1 && len(places[0]) == 1 {
		return ""
	}
	under := "under " + ranking.Load
	among := ""
	switch placed := e.allPlaced(ranking); {
	case !placed && !complete:
		among = " of those with a place that answered every client"
	case !placed:
		among = " of those with a place"
	case !complete:
		among = " of those that answered every client"
	}
	rates := e.numbers(ranking.Load, ranking.Metric, places[0])
	if len(places) == 1 {
		return fmt.Sprintf("%s no rate%s is certain to be the best: %s share a place (%s)", under, among, list(places[0]), rates)
	}
	next := e.numbers(ranking.Load, ranking.Metric, places[1])
	if len(places[0]) > 1 {
		return fmt.Sprintf("%s %s share the first place%s (%s), ahead of %s (%s)",
			under, list(places[0]), among, rates, list(places[1]), next)
	}
	ahead := fmt.Sprintf("ahead of %s (%s)", list(places[1]), next)
	if q, ok := e.ratio(ranking.Load, ranking.Metric, places[0][0], places[1][0]); ok && len(places[1]) == 1 {
		ahead = fmt.Sprintf("%s the %s of %s", e.times(q, ranking.Load, ranking.Metric, places[0][0], places[1][0]), next, places[1][0])
	}
	return fmt.Sprintf("%s %s is fastest%s with %s, %s", under, places[0][0], among, rates, ahead)
}

// fair returns the places without those that left clients out of long conversations, and
// whether that is all of them.
func (e *evidence) fair(ranking Ranking) (places [][]string, complete bool) {
	complete = true
	for _, place := range ranking.Places {
		served := slices.DeleteFunc(slices.Clone(place), func(s string) bool {
			return ranking.Load == Conversations && e.report.load(ranking.Load).of(s).Unserved > 0
		})
		complete = complete && len(served) == len(place)
		if len(served) > 0 {
			places = append(places, served)
		}
	}
	return places, complete
}

// allPlaced says whether all that were measured to the end are in the ranking.
func (e *evidence) allPlaced(ranking Ranking) bool {
	return !slices.ContainsFunc(e.report.load(ranking.Load).Results, func(m Measured) bool {
		return m.Problem == "" && len(m.Rounds) > 0 && !ranking.placed(m.Subject)
	})
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
		return fmt.Sprintf("a process for each request costs nothing that can be told under %s: %s answers %s and %s %s",
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
			text += fmt.Sprintf("; %s, which uses processes too, can not be told from %s (%s)", s, threading, e.number(load, "rate", s))
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
			clauses = append(clauses, fmt.Sprintf("under %s %s and %s can not be told apart (%s)",
				l.Kind, subject, base, e.numbers(l.Kind, "rate", []string{subject, base})))
		}
	}
	if len(clauses) == 0 {
		return ""
	}
	return title + ": " + strings.Join(clauses, "; ")
}
