package result

import (
	"fmt"
	"slices"
	"strings"
)

// conclude writes the verdict, a sentence for each question. Noise is the reasons for which
// differences may be chance: then the verdict names no strategy as the better one.
func conclude(r *Report, noise []string) {
	for _, answer := range []func(*evidence) string{choice, survival, state} {
		e := &evidence{Report: r, noise: noise}
		if text := answer(e); text != "" {
			r.Advice = append(r.Advice, Advice{strings.ToUpper(text[:1]) + text[1:] + ".", e.rests})
		}
	}
}

// evidence collects the numbers that a sentence rests on while it is written.
type evidence struct {
	*Report
	noise []string
	rests []string
}

func (e *evidence) rest(format string, args ...any) {
	e.rests = append(e.rests, fmt.Sprintf(format, args...))
}

// values returns what was measured of some subjects, as in "12 k/s and 9 k/s".
func (e *evidence) values(l *Load, m *metric, subjects []string) string {
	var all []string
	for _, s := range subjects {
		text := l.of(s).Text(m.name)
		e.rest("%s.%s.%s = %s", s, l.Kind, m.name, text)
		all = append(all, text)
	}
	return List(all)
}

// choice names the strategies to use under each load, or the reason why none can be named.
func choice(e *evidence) string {
	if why, ok := e.Unmeasured(); ok {
		e.rest("%s", why)
		return "nothing was measured: " + why
	}
	if len(e.noise) > 0 {
		for _, text := range e.noise {
			found, _, _ := strings.Cut(text, ";") // and then what to do about it
			e.rest("%s", found)
		}
		return "repeat the comparison before you choose: its differences may be chance, as the warnings say"
	}
	var clauses []string
	for i, ranking := range e.Ranks {
		if l := &e.Loads[i]; len(l.measured()) > 0 {
			clauses = append(clauses, "under "+l.Kind+" "+best(e, l, ranking))
		}
	}
	return strings.Join(clauses, "; ")
}

// Unmeasured reports whether no subject was measured under any load, and why.
func (r *Report) Unmeasured() (why string, ok bool) {
	for i := range r.Loads {
		l := &r.Loads[i]
		if len(l.measured()) > 0 {
			return "", false
		}
		if len(l.Results) > 0 && why == "" {
			why = l.Results[0].Problem
		}
	}
	return why, true
}

func best(e *evidence, l *Load, ranking Ranking) string {
	var places [][]string
	for _, place := range ranking.Places {
		if left := slices.DeleteFunc(slices.Clone(place), e.excluded); len(left) > 0 {
			places = append(places, left)
		}
	}
	if len(places) == 0 {
		for _, m := range l.measured() {
			e.values(l, metricNamed("rate"), []string{m.Subject})
		}
		return "no strategy that can be recommended has a place"
	}
	metric := metricNamed(ranking.Metric)
	first, behind := places[0], e.beaten(l, places)
	found := fmt.Sprintf("(%s %s)", metric.name, e.values(l, metric, first))
	switch {
	case len(behind) > 0:
		return fmt.Sprintf("use %s %s, ahead of %s (%s)", either(first), found, List(behind), e.values(l, metric, behind))
	case len(l.measured()) == 1:
		return fmt.Sprintf("only %s was measured %s", first[0], found)
	case len(first) == 1:
		return fmt.Sprintf("no other strategy is certain to be better than %s %s", first[0], found)
	}
	return fmt.Sprintf("%s are not certain to differ by more than a tenth %s", List(first), found)
}

// excluded reports whether a subject is no choice: the servers of Python are there to compare
// with, and serve refuses processes for a handler that keeps state.
func (e *evidence) excluded(name string) bool {
	s := e.subject(name)
	return s.Form == Python || e.Settings.Stateful != "" && s.usesProcesses()
}

// subject returns a subject by its name; the zero one if there is none.
func (r *Report) subject(name string) Subject {
	if s := find(r.Subjects, func(s *Subject) bool { return s.Name == name }); s != nil {
		return *s
	}
	return Subject{}
}

func (s Subject) usesProcesses() bool { return s.Strategy == "forking" || s.Strategy == "preforking" }

// beaten returns the subjects of the highest place that all in the first place are certain to be
// better than. A lower place alone says only that one of those above is.
func (e *evidence) beaten(l *Load, places [][]string) []string {
	order := e.Settings.order()
	for _, place := range places[1:] {
		behind := slices.DeleteFunc(place, func(name string) bool {
			return slices.ContainsFunc(places[0], func(first string) bool { return !order.beats(l.of(first), l.of(name)) })
		})
		if len(behind) > 0 {
			return behind
		}
	}
	return nil
}

// risks are the mishaps that may end a server, the most certain first.
var risks = []struct{ mishap, words string }{
	{"exit", "end its process"},
	{"fatal", "fail fatally"},
	{"memory", "use all memory"},
	{"hang", "never return"},
	{"panic", "panic"},
}

// survival names the strategies to use for the first risk that some servers survived and others
// did not.
func survival(e *evidence) string {
	for _, risk := range risks {
		var lived, ended []string
		e.rests = nil
		for _, s := range e.Subjects {
			row := e.observed(risk.mishap, s.Name)
			switch {
			case row == nil || row.Problem != "" || row.Lived == "" || e.excluded(s.Name):
			case row.lived():
				lived = append(lived, s.Name)
			default:
				ended = append(ended, s.Name)
				e.rest("%s.%s.lived = %s", s.Name, risk.mishap, row.Lived)
			}
		}
		if len(lived) > 0 && len(ended) > 0 {
			e.rest("%s.lived = yes (%s)", risk.mishap, List(lived))
			return fmt.Sprintf("if the handler may %s, use %s: the server does not survive that with %s", risk.words, either(lived), either(ended))
		}
	}
	return ""
}

// state says that a handler which keeps state has one in each process.
func state(e *evidence) string {
	var processes []string
	for _, s := range e.Subjects {
		if s.usesProcesses() && s.Form != Python {
			processes = append(processes, s.Name)
		}
	}
	if e.Settings.Stateful == "" || len(processes) == 0 {
		return ""
	}
	e.rest("settings.stateful = %s", e.Settings.Stateful)
	return fmt.Sprintf("the handler keeps %s in memory: with %s each process has its own, and serve refuses that unless isolated_state = true",
		e.Settings.Stateful, either(processes))
}
