package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A table that text, markdown and the page share. The first column names the row; the others are
// numbers.
type table struct {
	Title    string
	Head     []string
	Rows     [][]string
	Notes    []string          // below the table
	Reasons  map[string]string // why a row has no numbers, by its name
	Pictures map[string]string // of the processes of a row
}

// tables returns those of one kind of load.
func tables(r *result.Report, l result.Load) []table {
	speed := numbers("Rate and latency", l, "rate", "p50", "p90", "p99", "p99.9", "max")
	speed.Reasons = map[string]string{}
	place := places(r, l.Kind)
	for i, m := range l.Results {
		speed.Rows[i] = slices.Insert(speed.Rows[i], 1, place[m.Subject])
		if !measured(m) {
			speed.Reasons[m.Subject] = m.Problem
		}
	}
	speed.Head = slices.Insert(speed.Head, 1, "#")
	speed.Notes = notes(r, l)
	cost := numbers("Cost, of the whole process tree", l, "cpu", "memory", "resident", "switches", "started")
	cost.Notes = []string{"CPU and context switches are per answered request; memory counts shared pages once, " +
		"resident once per process; started is processes over all rounds."}
	use := numbers("Use, under load", l, "processes", "threads", "descriptors")
	return slices.DeleteFunc([]table{speed, cost, use, ratios(r, l)}, func(t table) bool { return len(t.Rows) == 0 })
}

// numbers returns a table of metrics.
func numbers(title string, l result.Load, metrics ...string) table {
	t := table{Title: title, Head: append([]string{"subject"}, metrics...)}
	for _, m := range l.Results {
		row := []string{m.Subject}
		for _, metric := range metrics {
			text := "-"
			if measured(m) {
				text = m.Text(metric)
			}
			row = append(row, text)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// measured reports whether m has numbers.
func measured(m result.Measured) bool { return m.Problem == "" || m.Rate > 0 }

// ratios compares the subjects of a load with its base.
func ratios(r *result.Report, l result.Load) table {
	t := table{Head: append([]string{"subject"}, result.Compared...)}
	for _, c := range r.Comparisons {
		if c.Load != l.Kind {
			continue
		}
		t.Title = "Beside " + c.Base
		t.Notes = []string{fmt.Sprintf("± is the 95 %% interval. Those with = are not certain to differ from %s by more than a tenth.", c.Base)}
		last := len(t.Rows) - 1
		if last < 0 || t.Rows[last][0] != c.Subject {
			t.Rows, last = append(t.Rows, append([]string{c.Subject}, slices.Repeat([]string{"-"}, len(result.Compared))...)), last+1
		}
		text := c.Ratio.String()
		if c.Verdict == result.Equal {
			text = "= " + text
		}
		t.Rows[last][1+slices.Index(result.Compared, c.Metric)] = text
	}
	return t
}

// places returns places as in 1, 2=, 2=, 4: several subjects may share one.
func places(r *result.Report, load string) map[string]string {
	found := map[string]string{}
	for _, ranking := range r.Ranks {
		if ranking.Load != load {
			continue
		}
		next := 1
		for _, place := range ranking.Places {
			for _, subject := range place {
				found[subject] = fmt.Sprint(next)
				if len(place) > 1 {
					found[subject] += "="
				}
			}
			next += len(place)
		}
	}
	return found
}

// notes are about subjects that were measured in part, and requests without an answer.
func notes(r *result.Report, l result.Load) []string {
	var all []string
	over := false
	for _, m := range l.Results {
		var about []string
		if m.Problem != "" && measured(m) {
			about = append(about, m.Problem)
		}
		if m.Unserved > 0 {
			about = append(about, fmt.Sprintf("%d of %d clients got no answer in a whole round", m.Unserved, r.Settings.Clients))
		}
		about = append(about, m.Failures()...)
		if len(about) > 0 {
			all = append(all, m.Subject+": "+strings.Join(about, "; "))
		}
		over = over || measured(m) && m.Unanswered() > 0
	}
	if over {
		all = append(all, "A latency with > is a lower bound, as requests failed or were still waiting when a round ended.")
	}
	if r.Settings.Rate > 0 {
		all = append(all, "Places are by p99, of the subjects that kept the pace.")
	}
	return all
}
