package render

import (
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// An experiment is a mishap, with subjects of equal observations grouped.
type experiment struct {
	Title  string
	Groups []group
}

// A group is the subjects with equal observations.
type group struct {
	Who string
	result.Observation
}

// experiments returns the mishaps. A subject that could not be tried in any of them is in a note
// instead.
func experiments(r *result.Report) (all []experiment, notes []string) {
	var out []string
	for _, s := range r.Subjects {
		if reason := neverTried(r.Mishaps, s.Name); reason != "" {
			out = append(out, s.Name)
			notes = append(notes, s.Name+" could not be tried: "+reason)
		}
	}
	for _, m := range r.Mishaps {
		rows := slices.DeleteFunc(slices.Clone(m.Rows), func(o result.Observation) bool {
			return slices.Contains(out, o.Subject)
		})
		if len(rows) > 0 {
			all = append(all, experiment{m.Title, groups(rows)})
		}
	}
	return all, notes
}

// neverTried returns the reason why a subject was in none of several experiments, if that is the same
// in all.
func neverTried(all []result.Mishap, subject string) string {
	reason, times := "", 0
	for _, m := range all {
		for _, o := range m.Rows {
			if o.Subject != subject {
				continue
			}
			if o.Problem == "" || times > 0 && o.Problem != reason {
				return ""
			}
			reason = o.Problem
			times++
		}
	}
	if times < 2 {
		return ""
	}
	return reason
}

// groups returns groups in the order of their first subjects.
func groups(rows []result.Observation) []group {
	var seen []result.Observation
	subjects := map[result.Observation][]string{}
	for _, o := range rows {
		subject := o.Subject
		o.Subject = ""
		if subjects[o] == nil {
			seen = append(seen, o)
		}
		subjects[o] = append(subjects[o], subject)
	}
	var all []group
	for _, o := range seen {
		who := result.List(subjects[o])
		if len(seen) == 1 && len(rows) > 1 {
			who = "all"
		}
		all = append(all, group{who, o})
	}
	return all
}

// What returns the finding of an experiment, or why it was not tried.
func (g group) What() string {
	if g.Problem != "" {
		return "not tried: " + g.Problem
	}
	return g.Finding
}
