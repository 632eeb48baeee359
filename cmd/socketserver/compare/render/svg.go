package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A chart is drawn as SVG. It is so narrow that its text can be read on a phone, and has
// the name and the value of a row above what is drawn for it, so that names may be long.
type chart struct {
	ID, Title, Caption string
	Desc               string // what it shows, for those who do not see it
	Height, Plot       float64
	Rows               []chartRow
	Ticks              []tick
}

type chartRow struct {
	Name, Value string
	Class       string // the form of the subject
	Y, Height   float64
	Ridge       string // a path
	Spans       []span
	Ring        *point
}

// A span is a rectangle. Depth says how strong its colour is.
type span struct {
	X, Y, Width, Height float64
	Depth               string
}

type point struct{ X, Y float64 }

// A tick is a line across what is drawn in each row, with a label beneath them all.
type tick struct {
	X      float64
	Label  string
	Anchor string
	Strong bool
}

const (
	chartWidth = 360.0
	margin     = 4.0
	plotWidth  = chartWidth - 2*margin
	tickHeight = 18.0
)

// add places a row beneath the others.
func (c *chart) add(height float64, r chartRow) {
	r.Y, r.Height = c.Plot, height
	for i := range r.Spans {
		r.Spans[i].X, r.Spans[i].Width = tenth(r.Spans[i].X), tenth(r.Spans[i].Width)
	}
	c.Rows = append(c.Rows, r)
	c.Plot += height
	c.Height = c.Plot
	if r.Value != unknown {
		c.Desc += fmt.Sprintf("%s %s. ", r.Name, r.Value)
	}
}

// mark adds a tick at a place between 0 and 1. Labels do not leave the picture.
func (c *chart) mark(at float64, label string, strong bool) {
	t := tick{X: tenth(margin + at*plotWidth), Label: label, Anchor: "middle", Strong: strong}
	switch {
	case at < 0.08:
		t.Anchor = "start"
	case at > 0.92:
		t.Anchor = "end"
	}
	c.Ticks = append(c.Ticks, t)
	c.Height = c.Plot + tickHeight
}

func tenth(v float64) float64 { return math.Round(10*v) / 10 }

// bars is a chart of one number per subject.
func bars(l result.Load, forms map[string]string, value func(result.Measured) float64, show func(result.Measured) string) *chart {
	most := 0.0
	for _, m := range l.Results {
		most = max(most, value(m))
	}
	if most <= 0 {
		return nil
	}
	c := &chart{}
	for _, m := range l.Results {
		r := chartRow{Name: shortName(m.Subject), Value: unknown, Class: forms[m.Subject]}
		r.Spans = []span{{margin, 18, plotWidth, 7, "track"}}
		if v := value(m); v > 0 && measured(m) {
			r.Value = show(m)
			r.Spans = append(r.Spans, span{margin, 18, max(1, v/most*plotWidth), 7, "strong"})
		}
		c.add(32, r)
	}
	return c
}

func rateChart(l result.Load, forms map[string]string) *chart {
	c := bars(l, forms, func(m result.Measured) float64 { return m.Rate },
		func(m result.Measured) string { return rate(m.Rate) })
	if c != nil {
		c.Title, c.Caption = "Throughput", "Answered requests per second; longer is better."
	}
	return c
}

func memoryChart(l result.Load, forms map[string]string) *chart {
	c := bars(l, forms, func(m result.Measured) float64 { return float64(m.Cost.Proportional) },
		func(m result.Measured) string { return size(m.Cost.Proportional) })
	if c != nil {
		c.Title, c.Caption = "Memory", "Of the whole process tree under load, shared pages counted once; shorter is better."
	}
	return c
}

// latencyChart has a row for each subject: the shape of its latencies, and beneath it a bar
// from one percentile to the next.
func latencyChart(l result.Load, forms map[string]string) *chart {
	a, ok := newAxis(l.Results)
	if !ok {
		return nil
	}
	c := &chart{
		Title: "Latency",
		Caption: "Logarithmic. The shape is how often a latency occurs; the bar beneath it goes from p50 to p90 " +
			"(dark), to p99 and to p99.9 (light); the ring is the longest, if that is known.",
	}
	for _, m := range l.Results {
		if !measured(m) || m.Latency.P50 <= 0 {
			continue
		}
		all := m.Percentiles()
		r := chartRow{
			Name: shortName(m.Subject), Class: forms[m.Subject],
			Value: fmt.Sprintf("p50 %s, p99 %s", percentile(all[0]), percentile(all[2])),
			Ridge: ridge(a, m.Buckets),
		}
		if longest := all[4]; !longest.Over {
			r.Ring = &point{tenth(margin + a.at(longest.Value)*(plotWidth-3)), 42}
		}
		for i, depth := range []string{"strong", "medium", "light"} {
			from, to := a.at(all[i].Value), a.at(all[i+1].Value)
			r.Spans = append(r.Spans, span{margin + from*plotWidth, 39, max(0, to-from) * plotWidth, 6, depth})
		}
		c.add(52, r)
	}
	for _, t := range a.ticks() {
		c.mark(a.at(t), duration(t), false)
	}
	return c
}

// ridge is the density of the latencies as the path of an area.
func ridge(a axis, buckets []result.Bucket) string {
	if len(buckets) == 0 {
		return ""
	}
	const parts, foot, height = 120, 38.0, 20.0
	var b strings.Builder
	share := a.density(buckets, parts)
	last := -1
	for i, s := range share {
		if s < 0.005 {
			continue
		}
		x := margin + plotWidth*(float64(i)+0.5)/parts
		if last < 0 {
			fmt.Fprintf(&b, "M%.1f %.1f", x, foot)
		}
		fmt.Fprintf(&b, "L%.1f %.1f", x, foot-height*s)
		last = i
	}
	if last >= 0 {
		fmt.Fprintf(&b, "L%.1f %.1fZ", margin+plotWidth*(float64(last)+0.5)/parts, foot)
	}
	return b.String()
}

// ratioChart has what places are given by as factors of one subject's, with their intervals.
func ratioChart(r *result.Report, l result.Load, forms map[string]string) *chart {
	to, metric := base(r, l.Kind), "rate"
	if r.Settings.Rate > 0 {
		metric = "p99"
	}
	titles := map[string]string{"rate": "Throughput", "p99": "Latency (p99)"}
	var rows []result.Comparison
	low, high := 1.0, 1.0
	for _, m := range l.Results {
		if c, ok := comparison(r, l.Kind, metric, m.Subject, to); ok {
			rows = append(rows, c)
			low, high = min(low, c.Ratio.Value), max(high, c.Ratio.Value)
			if c.Ratio.Low > 0 {
				low, high = min(low, c.Ratio.Low), max(high, c.Ratio.High)
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	low, high = low/1.15, high*1.15
	at := func(v float64) float64 { return math.Log(v/low) / math.Log(high/low) }
	c := &chart{
		Title: titles[metric] + " beside " + to,
		Caption: "Logarithmic. The mark is the ratio of one " + metric + " to the other, the bar its interval; where it " +
			"says =, the two are not certain to differ by more than a tenth.",
	}
	for _, row := range rows {
		shown := chartRow{Name: shortName(row.Subject), Class: forms[row.Subject], Value: ratio(row.Ratio)}
		if row.Verdict == "equal" {
			shown.Value = "= " + shown.Value
		}
		if row.Ratio.Low > 0 {
			from, until := at(row.Ratio.Low), at(row.Ratio.High)
			shown.Spans = []span{{margin + from*plotWidth, 21, max(1, (until-from)*plotWidth), 5, "medium"}}
		}
		shown.Spans = append(shown.Spans, span{margin + at(row.Ratio.Value)*plotWidth - 2, 18, 4, 11, "strong"})
		c.add(36, shown)
	}
	for _, v := range ratioTicks(low, high) {
		c.mark(at(v), strconv.FormatFloat(v, 'g', -1, 64)+"x", v == 1)
	}
	return c
}

// ratioTicks are powers of ten, and a few between them on a short axis.
func ratioTicks(low, high float64) []float64 {
	steps := []float64{1}
	if high/low < 30 {
		steps = []float64{1, 2, 5}
	}
	var all []float64
	for decade := -6; decade <= 6; decade++ {
		for _, s := range steps {
			if v := s * math.Pow(10, float64(decade)); v >= low && v <= high {
				all = append(all, v)
			}
		}
	}
	if i := slices.IndexFunc(all, func(v float64) bool { return math.Abs(v-1) < 1e-9 }); i >= 0 {
		all[i] = 1
	}
	return all
}

// shortName cuts what would leave no room for a value beside it.
func shortName(name string) string {
	if r := []rune(name); len(r) > longest {
		return string(r[:longest-1]) + "…"
	}
	return name
}
