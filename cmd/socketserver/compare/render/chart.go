package render

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A chart has a bar and an interval for each subject, all on one scale. Text, markdown and the
// page show the same charts.
type chart struct {
	Title, Caption string
	Rows           []chartRow
}

// A chartRow has a bar up to Low and an interval from there to High, as shares of the longest
// row. Both are zero if nothing was measured.
type chartRow struct {
	Name, Value string
	Class       string // the form of the subject
	Low, High   float64
}

// charts returns those of one kind of load.
func charts(r *result.Report, l result.Load) []chart {
	rates := chart{Title: "Throughput", Caption: "Answered requests per second; the bar ends at the slowest round, the interval at the fastest one."}
	latencies := chart{Title: "Latency", Caption: "The bar ends at p50, the interval at p99; twice the latency is one step longer."}
	shortest := time.Duration(math.MaxInt64)
	for _, m := range l.Results {
		if p50 := m.Percentiles()[0].Value; measured(m) && p50 > 0 {
			shortest = min(shortest, p50)
		}
	}
	for _, m := range l.Results {
		low, high, shown := rateRange(m)
		rates.add(r, m, low, high, shown)
		low, high, shown = latencyRange(m, shortest)
		latencies.add(r, m, low, high, shown)
	}
	var all []chart
	for _, c := range []chart{rates, latencies} {
		if c.scale() {
			all = append(all, c)
		}
	}
	return all
}

func (c *chart) add(r *result.Report, m result.Measured, low, high float64, shown string) {
	row := chartRow{Name: m.Subject, Value: unknown, Class: formOf(r, m.Subject)}
	if measured(m) && high > 0 {
		row.Value, row.Low, row.High = shown, low, high
	}
	c.Rows = append(c.Rows, row)
}

// scale makes shares of values, and reports whether there are any.
func (c *chart) scale() bool {
	longest := 0.0
	for _, row := range c.Rows {
		longest = max(longest, row.High)
	}
	if longest == 0 {
		return false
	}
	for i := range c.Rows {
		c.Rows[i].Low /= longest
		c.Rows[i].High /= longest
	}
	return true
}

func rateRange(m result.Measured) (low, high float64, shown string) {
	low, high = m.Rate, m.Rate
	for _, r := range m.Rounds {
		low, high = min(low, r.Rate), max(high, r.Rate)
	}
	return low, high, rate(m.Rate)
}

// latencyRange counts doublings of the shortest p50, whose bar is one step long: latencies differ
// by factors of a hundred. It ends at p50 if p99 is not known.
func latencyRange(m result.Measured, shortest time.Duration) (low, high float64, shown string) {
	all := m.Percentiles()
	p50, p99 := all[0], all[2]
	steps := func(p result.Percentile) float64 {
		return max(0, 1+math.Log2(float64(p.Value)/float64(shortest)))
	}
	shown = percentile(p50)
	if p99.Value > 0 {
		shown += " to " + percentile(p99)
	}
	return steps(p50), max(steps(p50), steps(p99)), shown
}

// formOf returns the form of a subject as a class of the style, never what a report says.
func formOf(r *result.Report, subject string) string {
	for _, s := range r.Subjects {
		if s.Name == subject && (s.Form == result.Plugin || s.Form == result.Python) {
			return s.Form
		}
	}
	return result.Compiled
}

// Bar and Interval are lengths in percent of the longest row.
func (r chartRow) Bar() float64      { return math.Round(1000*r.Low) / 10 }
func (r chartRow) Interval() float64 { return math.Round(1000*(r.High-r.Low)) / 10 }

// chart writes c, its lines behind an indent.
func (p *page) chart(c chart, indent string) {
	names, values := 0, 0
	for _, row := range c.Rows {
		names, values = max(names, width(p.short(row.Name))), max(values, width(row.Value))
	}
	room := float64(max(1, min(p.Width, 100)-len(indent)-names-values-3))
	for _, row := range c.Rows {
		bar := int(math.Ceil(row.Low * room))
		interval := max(bar, int(math.Round(row.High*room))) - bar
		drawn := p.paint(blue, strings.Repeat(p.choose("█", "#"), bar)+strings.Repeat(p.choose("░", "-"), interval))
		name := p.short(row.Name)
		line := fmt.Sprintf("%s%s%s  %*s %s", indent, name, strings.Repeat(" ", names-width(name)), values, row.Value, drawn)
		fmt.Fprintln(p, strings.TrimRight(line, " "))
	}
}
