package result

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
)

// conclude writes the verdict: what to write, when not, and what the handler's state rules out. Noise is
// the reasons for which differences may be chance: then nothing is recommended.
func conclude(r *Report, noise []string) {
	for _, sentence := range []func(*evidence){(*evidence).choose, (*evidence).except, (*evidence).state} {
		e := &evidence{Report: r, noise: noise}
		if sentence(e); e.Text != "" {
			r.Advice = append(r.Advice, e.Advice)
		}
	}
}

// evidence is a sentence and what it rests on while it is written.
type evidence struct {
	*Report
	Advice
	noise []string
}

func (e *evidence) rest(format string, args ...any) {
	e.Rests = append(e.Rests, fmt.Sprintf(format, args...))
}

// choose writes what belongs in servers.hcl, and why.
func (e *evidence) choose() {
	for _, text := range e.noise {
		found, _, _ := strings.Cut(text, ";") // and then what to do about it
		e.rest("%s", found)
	}
	why, unmeasured := e.Unmeasured()
	chosen := e.best(func(string) bool { return true })
	switch {
	case unmeasured:
		e.Rests, e.Text = []string{why}, "Nothing was measured: "+why+"."
	case len(e.noise) > 0:
		e.Text = "Repeat it: the differences may be chance (" + e.Rests[0] + ")."
	case chosen == "":
		e.rest("no subject that serve runs has a place")
		e.Text = "None can be recommended: each left requests or clients without an answer, as the warnings say."
	default:
		if missing := e.missing(chosen); missing != "" {
			e.rest("no other has a place")
			e.Text = fmt.Sprintf("None can be recommended: there is nothing to compare %s with, as %s.", chosen, missing)
			return
		}
		e.recommend(chosen)
	}
}

// missing returns which subjects could not be compared with the chosen one, where none could; empty: some could, or
// there is none.
func (e *evidence) missing(chosen string) (why string) {
	for i := range e.Loads {
		if placed := slices.Concat(e.places(e.Ranks[i])...); slices.ContainsFunc(placed, func(name string) bool { return name != chosen }) {
			return ""
		}
		why = cmp.Or(why, e.lost(&e.Loads[i]))
	}
	return why
}

// lost returns which choices were not measured under a load, or never answered; empty: all were.
func (e *evidence) lost(l *Load) string {
	var names []string
	why := ""
	for i := range l.Results {
		m := &l.Results[i]
		if e.excluded(m.Subject) || m.Problem == "" && m.requests() > 0 {
			continue
		}
		names, why = append(names, m.Subject), cmp.Or(why, m.Problem, "nothing was answered")
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s was not measured (%s)", names[0], why)
	}
	return fmt.Sprintf("%s were not measured (%s)", text.And(names), why)
}

// recommend names the chosen subject.
func (e *evidence) recommend(chosen string) {
	e.Write = e.subject(chosen).Concurrency
	var why []string
	for i, ranking := range e.Ranks {
		if l := &e.Loads[i]; len(l.measured()) > 0 {
			why = append(why, e.reason(l, ranking, chosen))
		}
	}
	e.Text = "Write " + e.words(chosen) + " in servers.hcl: " + strings.Join(why, "; ") + "."
}

// words returns what to write for a subject, on one line.
func (e *evidence) words(name string) string {
	head, set, found := strings.Cut(e.subject(name).Concurrency, "{\n")
	if !found {
		return head
	}
	lines := strings.Split(strings.TrimSpace(strings.TrimSuffix(set, "}")), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	return strings.TrimSpace(head) + " with " + text.And(lines)
}

// under are the kinds of load in the words of the verdict.
var under = map[string]string{
	Connections:   "with a connection for each request",
	Conversations: "in long conversations",
	Datagrams:     "with datagrams",
}

// reason compares the chosen subject with the others under a load.
func (e *evidence) reason(l *Load, ranking Ranking, chosen string) string {
	m := metricNamed(ranking.Metric)
	value := func(name string) string {
		text := l.Of(name).Text(m.name)
		e.rest("%s.%s.%s = %s", name, l.Kind, m.name, text)
		return text
	}
	most, more, unit := "answers most", "answers more", ""
	if m.latency {
		most, more, unit = "answers soonest", "answers sooner", "99 of 100 within "
	}
	own := unit + value(chosen)
	others, order := slices.Concat(e.places(ranking)...), e.Settings.order()
	at := slices.Index(others, chosen)
	if at < 0 {
		return fmt.Sprintf("but %s it leaves clients without an answer", under[l.Kind])
	}
	others = slices.Delete(others, at, at+1)
	beaten := 0
	for _, other := range others {
		switch {
		case order.beats(l.Of(other), l.Of(chosen)):
			return fmt.Sprintf("but %s %s %s (%s, and it %s)", under[l.Kind], other, more, value(other), own)
		case order.beats(l.Of(chosen), l.Of(other)):
			beaten++
		}
	}
	lost := e.lost(l)
	if lost != "" {
		lost = ", and " + lost
	}
	switch {
	case len(others) == 0 && slices.ContainsFunc(l.Results, func(m Measured) bool { return m.Subject != chosen && !e.excluded(m.Subject) }):
		return fmt.Sprintf("%s no other has a place (%s)%s", under[l.Kind], own, lost)
	case len(others) == 0:
		return fmt.Sprintf("%s there is no other to choose (%s)", under[l.Kind], own)
	case beaten < len(others):
		return fmt.Sprintf("%s nothing is clearly better (%s)%s", under[l.Kind], own, lost)
	}
	return fmt.Sprintf("%s it %s (%s, and next %s %s)%s", under[l.Kind], most, own, others[0], value(others[0]), lost)
}

// risks are the mishaps that may end a server, the most certain first.
var risks = []struct{ mishap, words string }{
	{"exit", "end its process"},
	{"fatal", "fail fatally"},
	{"memory", "use all memory"},
	{"hang", "never return"},
	{"panic", "panic"},
}

// except writes when that does not belong there: for the first mishap that the server did not survive.
func (e *evidence) except() {
	chosen := e.best(func(string) bool { return len(e.noise) == 0 })
	for _, risk := range risks {
		e.Rests = nil
		var lived, ended []string
		for _, s := range e.Subjects {
			row := e.Observed(risk.mishap, s.Name)
			switch {
			case row == nil || row.Problem != "" || row.Lived == "" || e.excluded(s.Name):
			case row.lived():
				lived = append(lived, s.Name)
			default:
				ended = append(ended, s.Name)
				e.rest("%s.%s.lived = %s", s.Name, risk.mishap, row.Lived)
			}
		}
		instead := e.best(func(name string) bool { return slices.Contains(lived, name) })
		switch {
		case len(ended) == 0 || chosen != "" && !slices.Contains(ended, chosen):
			continue
		case chosen == "":
			e.Text = fmt.Sprintf("Certain all the same: should a handler %s, the server does not survive it under %s.", risk.words, text.Or(ended))
		case instead == "":
			e.Text = fmt.Sprintf("If a handler may %s the server ends with it, and no other choice here survives that.", risk.words)
		default:
			e.rest("%s.%s.lived = yes", instead, risk.mishap)
			e.Text = fmt.Sprintf("Not if a handler may %s: the server ends with it. Then write %s.", risk.words, e.words(instead))
		}
		return
	}
	if e.subject(chosen).usesProcesses() {
		e.rest("settings.stateful is empty")
		e.Text = "Not if requests share something in memory: each process has its own. Then write concurrency \"threading\" {}."
	}
}

// state writes what the handler declares to keep, and what that rules out.
func (e *evidence) state() {
	processes := slices.ContainsFunc(e.Subjects, func(s Subject) bool { return s.usesProcesses() && s.Form != Python })
	if e.Settings.Stateful == "" || !processes {
		return
	}
	e.rest("settings.stateful = %s", e.Settings.Stateful)
	e.Text = fmt.Sprintf("The handler keeps %s in memory, so that processes are no choice: each would have its own, and serve refuses them unless isolated_state = true.",
		e.Settings.Stateful)
}
