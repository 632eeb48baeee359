package render

import (
	"bytes"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// units are those of the metrics in the sheet, where times are microseconds.
var units = []struct{ metric, unit string }{
	{"rate", "1/s"},
	{"p50", "us"},
	{"p90", "us"},
	{"p99", "us"},
	{"p99.9", "us"},
	{"max", "us"},
	{"unserved", "clients"},
	{"unfinished", "requests"},
	{"cpu", "us/request"},
	{"switches", "1/request"},
	{"memory", "bytes"},
	{"resident", "bytes"},
	{"started", "processes"},
	{"processes", ""},
	{"threads", ""},
	{"descriptors", ""},
}

// A sheet is written with one value in each row. Unknown values are empty.
type sheet struct{ *csv.Writer }

// writeCSV writes one tidy table. Text that a spreadsheet would take for a formula begins with an
// apostrophe.
func writeCSV(b *bytes.Buffer, r *result.Report, _ Options) error {
	r = cleaned(r)
	s := sheet{csv.NewWriter(b)}
	s.add("load", "subject", "metric", "value", "unit")
	for _, l := range r.Loads {
		place := places(r, l.Kind)
		for _, m := range l.Results {
			s.text(l.Kind, m.Subject, "problem", m.Problem)
			if measured(m) {
				s.text(l.Kind, m.Subject, "place", strings.TrimSuffix(place[m.Subject], "="))
				s.numbers(l.Kind, m)
			}
		}
	}
	for _, c := range r.Comparisons {
		metric := c.Metric + "/" + c.Base
		s.add(c.Load, c.Subject, metric, number(c.Ratio.Value), "ratio")
		s.add(c.Load, c.Subject, metric+".low", number(c.Ratio.Low), "ratio")
		s.add(c.Load, c.Subject, metric+".high", number(c.Ratio.High), "ratio")
		s.text(c.Load, c.Subject, metric+".verdict", c.Verdict)
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
	s.Flush()
	return s.Error()
}

// numbers marks a lower bound in the unit, so that the value stays a number and a plot by unit does
// not mix it with the others.
func (s sheet) numbers(load string, m result.Measured) {
	for _, u := range units {
		v, over := m.Number(u.metric)
		if strings.HasPrefix(u.unit, "us") {
			v /= 1000
		}
		unit := u.unit
		if over {
			unit += " or more"
		}
		s.add(load, m.Subject, u.metric, number(v), unit)
	}
	for _, kind := range slices.Sorted(maps.Keys(m.Errors)) {
		s.add(load, m.Subject, "errors."+kind, strconv.FormatInt(m.Errors[kind], 10), "")
	}
}

func number(v float64) string {
	if v < 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// text leaves out a row without a value.
func (s sheet) text(load, subject, metric, value string) {
	if value != "" {
		s.add(load, subject, metric, value, "")
	}
}

func (s sheet) add(cells ...string) {
	for i, cell := range cells {
		if cell != "" && strings.Contains("=+-@", cell[:1]) {
			cells[i] = "'" + cell
		}
	}
	_ = s.Write(cells) // an error stays until Flush
}
