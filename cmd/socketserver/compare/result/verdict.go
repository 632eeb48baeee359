package result

import (
	"fmt"
	"slices"
	"strings"
)

// conclusions make the verdict, a sentence each. One returns nothing if the report gives no
// reason for it.
var conclusions = []func(*evidence) string{choice, survival, state}

// conclude writes the verdict. Noise is the reasons for which differences may be chance: then
// the verdict names no strategy as the better one.
func conclude(r *Report, noise []string) {
	for _, sentence := range conclusions {
		e := &evidence{report: r, noise: noise}
		if text := sentence(e); text != "" {
			r.Advice = append(r.Advice, Advice{strings.ToUpper(text[:1]) + text[1:] + ".", e.rests})
		}
	}
}

// evidence collects the numbers that a sentence rests on while it is written.
type evidence struct {
	report *Report
	noise  []string
	rests  []string
}

func (e *evidence) rest(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(e.rests, text) {
		e.rests = append(e.rests, text)
	}
}

// values returns what was measured of some subjects, as in "12 k/s and 9 k/s".
func (e *evidence) values(l *Load, m *metric, subjects []string) string {
	var all []string
	for _, s := range subjects {
		v, shown, _ := operand{subject: s, load: l.Kind, metric: m}.value(e.report, l.Kind)
		e.rest("%s", shown)
		all = append(all, m.unit.format(v))
	}
	return List(all)
}

// choice names the strategies to use under each load, or the reason why none can be named.
func choice(e *evidence) string {
	if why := unmeasured(e); why != "" {
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
	for _, ranking := range e.report.Ranks {
		if l := e.report.load(ranking.Load); len(l.measured()) > 0 {
			clauses = append(clauses, "under "+l.Kind+" "+best(e, l, ranking))
		}
	}
	return strings.Join(clauses, "; ")
}

// unmeasured returns why no subject was measured; empty if one was.
func unmeasured(e *evidence) string {
	var why string
	for _, l := range e.report.Loads {
		if len(l.measured()) > 0 {
			return ""
		}
		for _, m := range l.Results {
			if m.Problem != "" {
				why = m.Problem
				e.rest("%s.%s: %s", m.Subject, l.Kind, m.Problem)
			}
		}
	}
	return why
}

func best(e *evidence, l *Load, ranking Ranking) string {
	metric := metricNamed(ranking.Metric)
	var places [][]string
	for _, place := range ranking.Places {
		if left := slices.DeleteFunc(slices.Clone(place), e.excluded); len(left) > 0 {
			places = append(places, left)
		}
	}
	if len(places) == 0 {
		for _, m := range l.measured() {
			e.rest("%s.%s.rate = %s", m.Subject, l.Kind, perSecond.format(m.Rate))
		}
		if len(ranking.Places) == 0 {
			return "no strategy has a place, as the warnings say"
		}
		return "none of the strategies that were compared can be recommended"
	}
	first, behind := places[0], e.beaten(l, places)
	found := fmt.Sprintf("(%s %s)", metric.name, e.values(l, metric, first))
	switch {
	case len(l.measured()) == 1:
		return fmt.Sprintf("only %s was measured %s", first[0], found)
	case len(behind) == 0 && len(first) == 1:
		return fmt.Sprintf("no other strategy is certain to be better than %s %s", first[0], found)
	case len(behind) == 0:
		return fmt.Sprintf("%s are not certain to differ by more than a tenth %s", List(first), found)
	}
	return fmt.Sprintf("use %s %s, ahead of %s (%s)", either(first), found, List(behind), e.values(l, metric, behind))
}

// excluded reports whether a subject is no choice: the servers of Python are there to compare
// with, and serve refuses processes for a handler that keeps state.
func (e *evidence) excluded(name string) bool {
	return slices.ContainsFunc(e.report.Subjects, func(s Subject) bool {
		return s.Name == name && (s.Form == Python || e.report.Settings.Stateful != "" && s.usesProcesses())
	})
}

func (s Subject) usesProcesses() bool { return s.Strategy == "forking" || s.Strategy == "preforking" }

// beaten returns the subjects of the highest place that all in the first place are certain to be
// better than. A lower place alone says only that one of those above is.
func (e *evidence) beaten(l *Load, places [][]string) []string {
	order := e.report.Settings.order()
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
		for _, s := range e.report.Subjects {
			row := e.report.observed(risk.mishap, s.Name)
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
		e.rests = nil
	}
	return ""
}

// state says that a handler which keeps state has one in each process.
func state(e *evidence) string {
	keeps := e.report.Settings.Stateful
	var processes []string
	for _, s := range e.report.Subjects {
		if s.usesProcesses() && s.Form != Python {
			processes = append(processes, s.Name)
		}
	}
	if keeps == "" || len(processes) == 0 {
		return ""
	}
	e.rest("settings.stateful = %s", keeps)
	return fmt.Sprintf("the handler keeps %s in memory: with %s each process has its own, and serve refuses that unless isolated_state = true",
		keeps, either(processes))
}

func either(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}
