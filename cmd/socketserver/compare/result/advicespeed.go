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
	if !complete {
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
	text := fmt.Sprintf("%s %s is fastest%s with %s, ahead of %s (%s)", under, places[0][0], among, rates, list(places[1]), next)
	if q, ok := e.ratio(ranking.Load, ranking.Metric, places[0][0], places[1][0]); ok && len(places[1]) == 1 {
		text += " by " + e.times(q, ranking.Load, ranking.Metric, places[0][0], places[1][0])
	}
	return text
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
	compiled, plugin := e.plain("threading", Compiled), e.plain("threading", Plugin)
	var clauses []string
	for _, l := range e.report.Loads {
		switch e.verdict(l.Kind, "rate", compiled, plugin) {
		case More:
			q, _ := e.ratio(l.Kind, "rate", compiled, plugin)
			clauses = append(clauses, fmt.Sprintf("%s answers %s under %s, %s the %s of %s", compiled, e.number(l.Kind, "rate", compiled),
				l.Kind, e.times(q, l.Kind, "rate", compiled, plugin), e.number(l.Kind, "rate", plugin), plugin))
		case Equal:
			clauses = append(clauses, fmt.Sprintf("under %s %s and %s can not be told apart (%s)",
				l.Kind, compiled, plugin, e.numbers(l.Kind, "rate", []string{compiled, plugin})))
		}
	}
	if len(clauses) == 0 {
		return ""
	}
	return "what a plugin costs: " + strings.Join(clauses, "; ")
}
