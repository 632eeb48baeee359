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
func (e *evidence) groups(mishap string, seen func(*Observation) string) []group {
	var all []group
	for _, s := range e.own() {
		row := e.report.observed(mishap, s.Name)
		if row == nil || row.Problem != "" || seen(row) == "" {
			continue
		}
		i := slices.IndexFunc(all, func(g group) bool { return g.seen == seen(row) })
		if i < 0 {
			i, all = len(all), append(all, group{seen: seen(row)})
		}
		all[i].subjects = append(all[i].subjects, s.Name)
	}
	return all
}

// survival names whose server went on where that of others ended: for the first such mishap,
// and for those in which it was the same subjects.
func survival(e *evidence) string {
	var mishaps, lived, ended []string
	for _, risk := range risks {
		yes, no, ends := e.survivors(risk.mishap)
		if len(yes) == 0 || len(no) == 0 {
			continue
		}
		if len(mishaps) == 0 {
			lived, ended = yes, no
		}
		if !slices.Equal(yes, lived) || !slices.Equal(no, ended) {
			continue
		}
		mishaps = append(mishaps, fmt.Sprintf("%s (%s)", risk.words, ends))
		e.rest("%s.lived = yes (%s)", risk.mishap, list(yes))
		e.rest("%s.lived = no: %s (%s)", risk.mishap, ends, list(no))
	}
	if len(mishaps) == 0 {
		return ""
	}
	return fmt.Sprintf("if your handler may %s, use %s: the server went on, while that of %s ended",
		either(mishaps), either(lived), list(ended))
}

// survivors returns who lived, who did not, and how these ended.
func (e *evidence) survivors(mishap string) (lived, ended []string, ends string) {
	for _, g := range e.groups(mishap, (*Observation).end) {
		if g.seen == "yes" {
			lived = g.subjects
			continue
		}
		ended = append(ended, g.subjects...)
		if ends != "" {
			ends += ", "
		}
		ends += strings.TrimPrefix(g.seen, "no: ")
	}
	slices.Sort(ended) // they are in groups by their ends
	return lived, ended, ends
}

func (o *Observation) end() string     { return o.Lived }
func (o *Observation) finding() string { return o.Finding }

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
	for _, s := range e.own() {
		switch m := l.of(s.Name); {
		case m == nil || m.Problem != "" || m.requests() == 0:
		case m.Unserved > 0:
			left = append(left, fmt.Sprintf("%s with %s", e.number(l.Kind, "unserved", s.Name), s.Name))
		case !slices.ContainsFunc(m.Rounds, func(r Round) bool { return r.Unserved > 0 }):
			served = append(served, s.Name)
		}
	}
	if len(left) == 0 {
		return ""
	}
	e.rest("settings.clients = %d", e.report.Settings.Clients)
	text := fmt.Sprintf("under %s some of the %s got no answer for a whole round, %s", l.Kind,
		counted(e.report.Settings.Clients, "client"), list(left))
	if len(served) > 0 {
		text += fmt.Sprintf("; where clients stay connected use %s, which answered all", either(served))
	}
	return text
}

// state says who shares memory between requests.
func state(e *evidence) string {
	found := e.groups("counter", (*Observation).finding)
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
