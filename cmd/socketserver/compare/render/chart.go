package render

import (
	"math"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A chart has a bar and a whisker for each subject, all on one scale.
type chart struct {
	Title, Caption string
	Rows           []chartRow
}

// A chartRow has a bar and a whisker from Low to High, in percent of the longest row. They are zero if
// nothing was measured.
type chartRow struct {
	Name, Value    string
	Form           string // of the subject
	Bar, Low, High float64
}

// charts returns those of one kind of load. That of latencies counts doublings of the shortest p50,
// whose bar is one step long: latencies differ by factors of a hundred.
func charts(r *result.Report, l result.Load) []*chart {
	rates := chart{Title: "Throughput", Caption: "Answered requests per second; the whisker is from the slowest round to the fastest."}
	latencies := chart{Title: "Latency", Caption: "The bar ends at p50, the whisker at p99; twice the latency is one step longer."}
	shortest := math.Inf(1)
	for _, m := range l.Results {
		if p50, _ := m.Number("p50"); p50 > 0 {
			shortest = min(shortest, p50)
		}
	}
	steps := func(latency float64) float64 { return max(0, 1+math.Log2(max(latency, 0)/shortest)) }
	for _, m := range l.Results {
		rate := chartRow{Name: m.Subject, Value: "-", Form: formOf(r, m.Subject)}
		latency := rate
		if m.Rate > 0 {
			rate.Value, rate.Bar, rate.Low, rate.High = m.Text("rate"), m.Rate, m.Rate, m.Rate
			for _, r := range m.Rounds {
				rate.Low, rate.High = min(rate.Low, r.Rate), max(rate.High, r.Rate)
			}
		}
		if p50, _ := m.Number("p50"); p50 > 0 {
			latency.Value, latency.Bar = m.Text("p50"), steps(p50)
			latency.Low, latency.High = latency.Bar, latency.Bar
			if p99, _ := m.Number("p99"); p99 > 0 {
				latency.Value, latency.High = latency.Value+" to "+m.Text("p99"), steps(p99)
			}
		}
		rates.Rows, latencies.Rows = append(rates.Rows, rate), append(latencies.Rows, latency)
	}
	var all []*chart
	for _, c := range []*chart{&rates, &latencies} {
		if c.scale() {
			all = append(all, c)
		}
	}
	return all
}

// scale makes percents of values, and reports whether there are any.
func (c *chart) scale() bool {
	longest := 0.0
	for _, row := range c.Rows {
		longest = max(longest, row.High)
	}
	for i := range c.Rows {
		row := &c.Rows[i]
		for _, v := range []*float64{&row.Bar, &row.Low, &row.High} {
			*v = math.Round(1000**v/longest) / 10
		}
	}
	return longest > 0
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
