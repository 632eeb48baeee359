package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A grid is a table that text, markdown and the page share. The first column names the row; the
// others are numbers, aligned on the right.
type grid struct {
	title string
	head  []string
	rows  [][]string
	notes []string // below the table
	words bool     // all columns are words, aligned on the left

	// reasons explain, by subject, why a row has no numbers.
	reasons map[string]string
}

// loadTables returns the tables of one kind of load, in order.
func loadTables(r *result.Report, l result.Load) []grid {
	tables := []grid{speedTable(r, l), costTable(l)}
	if t := ratioTable(r, l); len(t.rows) > 0 {
		tables = append(tables, t)
	}
	return tables
}

func speedTable(r *result.Report, l result.Load) grid {
	t := grid{
		title:   "Rate and latency",
		head:    []string{"subject", "#", "rate", "p50", "p90", "p99", "p99.9", "max"},
		notes:   notes(r, l),
		reasons: map[string]string{},
	}
	place := places(r, l.Kind)
	for _, m := range l.Results {
		if !measured(m) {
			t.rows = append(t.rows, without(m.Subject, len(t.head)))
			t.reasons[m.Subject] = m.Problem
			continue
		}
		row := []string{m.Subject, place[m.Subject], rate(m.Rate)}
		for _, p := range m.Percentiles() {
			row = append(row, percentile(p))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func costTable(l result.Load) grid {
	t := grid{
		title: "Cost, of the whole process tree",
		head: []string{
			"subject", "CPU", "memory", "resident", "switches", "started", "procs", "threads", "files",
		},
		notes: []string{
			"CPU and context switches are per answered request; memory counts shared pages once, " +
				"resident once per process; started is processes over all rounds.",
		},
	}
	for _, m := range l.Results {
		if !measured(m) {
			continue
		}
		c := m.Cost
		t.rows = append(t.rows, []string{
			m.Subject, duration(c.CPU), size(c.Proportional), size(c.Resident), each(c.Switches),
			count(c.Started), count(c.Processes), count(c.Threads), count(c.Descriptors),
		})
	}
	return t
}

// without returns the row of a subject that has no numbers.
func without(subject string, columns int) []string {
	row := slices.Repeat([]string{unknown}, columns)
	row[0] = subject
	return row
}

// measured reports whether m has numbers.
func measured(m result.Measured) bool { return m.Problem == "" || m.Rate > 0 }

// metrics are those that subjects are compared by, in the order of their columns.
var metrics = []string{"rate", "p50", "p99", "cpu"}

func ratioTable(r *result.Report, l result.Load) grid {
	to := base(r, l.Kind)
	t := grid{title: "Beside " + to, head: append([]string{"subject"}, metrics...)}
	confidence := 0.0
	for _, m := range l.Results {
		row, found := without(m.Subject, len(t.head)), false
		for i, metric := range metrics {
			c, ok := comparison(r, l.Kind, metric, m.Subject, to)
			if !ok {
				continue
			}
			row[i+1], found = ratio(c.Ratio), true
			if c.Verdict == "equal" {
				row[i+1] = "= " + row[i+1]
			}
			confidence = max(confidence, c.Ratio.Confidence)
		}
		if found {
			t.rows = append(t.rows, row)
		}
	}
	if confidence > 0 {
		t.notes = []string{fmt.Sprintf(
			"In brackets, the %s interval. Those with = are not certain to differ from %s by more than a tenth.",
			percent(confidence), to)}
	}
	return t
}

// base returns the subject that others are compared with under a load: threading if it is one, else
// the first one.
func base(r *result.Report, load string) string {
	first := ""
	for _, c := range r.Comparisons {
		if c.Load != load {
			continue
		}
		if c.Base == "threading" {
			return c.Base
		}
		if first == "" {
			first = c.Base
		}
	}
	return first
}

// comparison returns that of two subjects, unless its ratio is 0.
func comparison(r *result.Report, load, metric, subject, to string) (result.Comparison, bool) {
	i := slices.IndexFunc(r.Comparisons, func(c result.Comparison) bool {
		return c.Load == load && c.Metric == metric && c.Subject == subject && c.Base == to &&
			c.Ratio.Value > 0
	})
	if i < 0 {
		return result.Comparison{}, false
	}
	return r.Comparisons[i], true
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

// footnotes returns the notes of a table that cannot show reasons in its rows.
func (g grid) footnotes() []string {
	var all []string
	for _, row := range g.rows {
		if reason, ok := g.reasons[row[0]]; ok {
			all = append(all, row[0]+": "+reason)
		}
	}
	return append(all, g.notes...)
}

// notes are about subjects that were measured in part, requests without an answer, and other load on
// the machine.
func notes(r *result.Report, l result.Load) []string {
	var all []string
	for _, m := range l.Results {
		var about []string
		if m.Problem != "" && measured(m) {
			about = append(about, m.Problem)
		}
		if m.Unserved > 0 {
			about = append(about, fmt.Sprintf("%d of %d clients got no answer in a whole round",
				m.Unserved, r.Settings.Clients))
		}
		if len(m.Errors) > 0 {
			about = append(about, "errors: "+kinds(m.Errors))
		}
		if len(about) > 0 {
			all = append(all, m.Subject+": "+strings.Join(about, "; "))
		}
	}
	if note := longer(l); note != "" {
		all = append(all, note)
	}
	if r.Settings.Rate > 0 {
		all = append(all, "Places are by p99, of the subjects that kept the pace.")
	}
	if generator, others := shares(l); generator > 0 {
		note := fmt.Sprintf("The load generator took up to %.0f %% of all CPU", 100*generator)
		if others >= 0 {
			note += fmt.Sprintf(", other programs up to %.0f %%", 100*others)
		}
		all = append(all, note+".")
	}
	return all
}

// longer explains the sign >, with the number of requests that cause it.
func longer(l result.Load) string {
	var parts []string
	for _, m := range l.Results {
		if measured(m) && m.Unanswered() > 0 {
			parts = append(parts, fmt.Sprintf("%d with %s", m.Unanswered(), m.Subject))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "A latency with > is a lower bound, as requests failed or were still waiting when a round ended: " + result.List(parts) + "."
}

// shares returns the largest shares of all CPU time in a round; less than 0: not known.
func shares(l result.Load) (generator, others float64) {
	generator, others = -1, -1
	for _, m := range l.Results {
		for _, r := range m.Rounds {
			generator, others = max(generator, r.Generator), max(others, r.Others)
		}
	}
	return generator, others
}

// kinds returns as in "12 timeout, 3 reset".
func kinds(errors map[string]int64) string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(errors)) {
		all = append(all, fmt.Sprintf("%d %s", errors[kind], kind))
	}
	return strings.Join(all, ", ")
}
