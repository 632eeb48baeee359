package render

import (
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// sheet is a table with one value in each row. Unknown values are empty.
type sheet struct{ rows [][]string }

// writeCSV writes one tidy table. Text that a spreadsheet would take for a formula begins with an
// apostrophe.
func writeCSV(w io.Writer, r *result.Report, _ Options) error {
	r = cleaned(r)
	s := &sheet{rows: [][]string{{"load", "subject", "metric", "value", "unit"}}}
	for _, l := range r.Loads {
		place := places(r, l.Kind)
		for _, m := range l.Results {
			s.measured(l.Kind, m, strings.TrimSuffix(place[m.Subject], "="))
		}
	}
	for _, c := range r.Comparisons {
		s.comparison(c)
	}
	for _, m := range r.Mishaps {
		for _, o := range m.Rows {
			s.text("mishaps", o.Subject, m.Name+".problem", o.Problem)
			s.text("mishaps", o.Subject, m.Name+".finding", o.Finding)
			s.text("mishaps", o.Subject, m.Name+".noticed", o.Noticed)
			s.text("mishaps", o.Subject, m.Name+".cut_off", o.CutOff)
			s.text("mishaps", o.Subject, m.Name+".lived", o.Lived)
			s.text("mishaps", o.Subject, m.Name+".left", o.Left)
		}
	}
	out := csv.NewWriter(w)
	return out.WriteAll(s.rows)
}

func (s *sheet) measured(load string, m result.Measured, place string) {
	s.text(load, m.Subject, "problem", m.Problem)
	if !measured(m) {
		return
	}
	if place != "" {
		s.add(load, m.Subject, "place", place, "")
	}
	s.number(load, m.Subject, "rate", m.Rate, "1/s")
	s.latency(load, m)
	for _, kind := range slices.Sorted(maps.Keys(m.Errors)) {
		s.number(load, m.Subject, "errors."+kind, float64(m.Errors[kind]), "")
	}
	s.number(load, m.Subject, "unserved", float64(m.Unserved), "clients")
	s.number(load, m.Subject, "unfinished", float64(m.Unfinished), "requests")
	c := m.Cost
	s.number(load, m.Subject, "cpu", microseconds(c.CPU), "us/request")
	s.number(load, m.Subject, "switches", c.Switches, "1/request")
	s.number(load, m.Subject, "memory", float64(c.Proportional), "bytes")
	s.number(load, m.Subject, "resident", float64(c.Resident), "bytes")
	s.number(load, m.Subject, "started", float64(c.Started), "processes")
	s.number(load, m.Subject, "processes", float64(c.Processes), "")
	s.number(load, m.Subject, "threads", float64(c.Threads), "")
	s.number(load, m.Subject, "descriptors", float64(c.Descriptors), "")
}

// latency marks a lower bound in the unit, so that the value stays a number and a plot by unit does
// not mix it with the others.
func (s *sheet) latency(load string, m result.Measured) {
	for _, p := range m.Percentiles() {
		value, unit := microseconds(p.Value), "us"
		if p.Value == 0 {
			value = -1
		}
		if p.Value > 0 && p.Over {
			unit = "us or more"
		}
		s.number(load, m.Subject, p.Name, value, unit)
	}
}

func (s *sheet) comparison(c result.Comparison) {
	metric := c.Metric + "/" + c.Base
	s.number(c.Load, c.Subject, metric, c.Ratio.Value, "ratio")
	if c.Ratio.Low == 0 && c.Ratio.High == 0 {
		return
	}
	s.number(c.Load, c.Subject, metric+".low", c.Ratio.Low, "ratio")
	s.number(c.Load, c.Subject, metric+".high", c.Ratio.High, "ratio")
	s.text(c.Load, c.Subject, metric+".verdict", c.Verdict)
}

func (s *sheet) number(load, subject, metric string, v float64, unit string) {
	value := strconv.FormatFloat(v, 'f', -1, 64)
	if v < 0 {
		value = ""
	}
	s.add(load, subject, metric, value, unit)
}

func (s *sheet) text(load, subject, metric, value string) {
	if value != "" {
		s.add(load, subject, metric, value, "")
	}
}

func (s *sheet) add(cells ...string) {
	for i, cell := range cells {
		if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") ||
			strings.HasPrefix(cell, "-") || strings.HasPrefix(cell, "@") {
			cells[i] = "'" + cell
		}
	}
	s.rows = append(s.rows, cells)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
