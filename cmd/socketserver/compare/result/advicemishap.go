package result

import (
	"fmt"
	"slices"
	"strings"
)

// risks are the mishaps that a server may not live through, in the words of an author.
var risks = []struct{ mishap, words string }{
	{"exit", "end its process"},
	{"fatal", "fail fatally"},
	{"memory", "eat memory"},
	{"hang", "never return"},
	{"panic", "panic"},
}

// group is the subjects of which the same was observed.
type group struct {
	seen     string
	subjects []string
}

// groups are in the order in which something is first seen. What was not tried is in none.
func (e *evidence) groups(mishap string, seen func(Observation) string) []group {
	var all []group
	for _, s := range e.report.Subjects {
		row := e.report.observed(mishap, s.Name)
		if row == nil || row.Problem != "" || seen(*row) == "" {
			continue
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.seen == seen(*row) })
		if i < 0 {
			i, all = len(all), append(all, group{seen: seen(*row)})
		}
		all[i].subjects = append(all[i].subjects, s.Name)
	}
	return all
}

// survival names whose server went on where that of others ended: for the first such mishap,
// and for those that had the same end.
func survival(e *evidence) string {
	var words []string
	var lived, ended []group
	for _, risk := range risks {
		yes, no := e.survivors(risk.mishap)
		if len(yes) == 0 || len(no) == 0 {
			continue
		}
		if len(words) > 0 && (!same(yes, lived) || !same(no, ended)) {
			continue
		}
		if len(words) == 0 {
			lived, ended = yes, no
		}
		words = append(words, risk.words)
		for _, g := range append(yes, no...) {
			e.rest("%s.lived = %s (%s)", risk.mishap, g.seen, list(g.subjects))
		}
	}
	if len(words) == 0 {
		return ""
	}
	var ends []string
	for _, g := range ended {
		ends = append(ends, fmt.Sprintf("that of %s ended (%s)", list(g.subjects), strings.TrimPrefix(g.seen, "no: ")))
	}
	return fmt.Sprintf("if your handler may %s, use %s: the server went on, while %s",
		either(words), either(members(lived)), list(ends))
}

func (e *evidence) survivors(mishap string) (lived, ended []group) {
	for _, g := range e.groups(mishap, func(o Observation) string { return o.Lived }) {
		if g.seen == "yes" {
			lived = append(lived, g)
		} else {
			ended = append(ended, g)
		}
	}
	return lived, ended
}

func members(groups []group) []string {
	var all []string
	for _, g := range groups {
		all = append(all, g.subjects...)
	}
	return all
}

func same(a, b []group) bool {
	return slices.Equal(slices.Sorted(slices.Values(members(a))), slices.Sorted(slices.Values(members(b))))
}

func either(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// starvation names who left clients out of long conversations.
func starvation(e *evidence) string {
	l := e.report.load(Conversations)
	if l == nil || e.report.Settings.Clients <= 0 {
		return ""
	}
	var left, served []string
	for _, m := range l.Results {
		switch {
		case m.Problem != "" || m.requests() == 0:
		case m.Unserved > 0:
			left = append(left, fmt.Sprintf("%s for %s", m.Subject, e.number(l.Kind, "unserved", m.Subject)))
		default:
			served = append(served, m.Subject)
		}
	}
	if len(left) == 0 {
		return ""
	}
	e.rest("settings.clients = %d", e.report.Settings.Clients)
	text := fmt.Sprintf("long conversations keep others waiting: of %s there was no answer in a whole round from %s",
		counted(e.report.Settings.Clients, "client"), list(left))
	if len(served) > 0 {
		text += fmt.Sprintf("; use %s, which left nobody out", either(served))
	}
	return text
}

// state says who shares memory between requests.
func state(e *evidence) string {
	found := e.groups("counter", func(o Observation) string { return o.Finding })
	if len(found) < 2 {
		return ""
	}
	var parts []string
	for _, g := range found {
		e.rest("counter.finding = %s (%s)", g.seen, list(g.subjects))
		parts = append(parts, fmt.Sprintf("%s with %s", g.seen, list(g.subjects)))
	}
	return "a counter that the handler keeps in memory: " + strings.Join(parts, "; ")
}
