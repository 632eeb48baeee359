package render

import (
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A group is the subjects that behaved alike in an experiment.
type group struct {
	Subjects []string
	result.Observation
}

// groups are in the order of their first subjects.
func groups(m result.Mishap) []group {
	var all []group
	at := map[result.Observation]int{}
	for _, o := range m.Rows {
		subject := o.Subject
		o.Subject = ""
		i, ok := at[o]
		if !ok {
			i = len(all)
			at[o] = i
			all = append(all, group{Observation: o})
		}
		all[i].Subjects = append(all[i].Subjects, subject)
	}
	return all
}

// who names the subjects of a group. All of several are called that.
func (g group) who(m result.Mishap) string {
	if len(g.Subjects) == len(m.Rows) && len(m.Rows) > 1 {
		return "all"
	}
	return join(g.Subjects)
}

// facts are what was observed, in the order of a table's columns.
func (g group) facts() []fact {
	return []fact{
		{"noticed by", g.Noticed}, {"cut off", g.CutOff}, {"server lived", g.Lived},
		{"left behind", g.Left},
	}
}
