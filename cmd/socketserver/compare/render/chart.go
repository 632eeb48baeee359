package render

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// nameWidth is that of the column before a chart.
func (p *page) nameWidth(l result.Load) int {
	w := 0
	for _, m := range l.Results {
		w = max(w, width(p.short(m.Subject)))
	}
	return w
}

// bars shows the rates.
func (p *page) bars(l result.Load) {
	most := 0.0
	for _, m := range l.Results {
		most = max(most, m.Rate)
	}
	if most == 0 {
		return
	}
	names := p.nameWidth(l)
	room := min(p.Width, 100) - names - 12
	fmt.Fprintln(p)
	for _, m := range l.Results {
		if !measured(m) {
			fmt.Fprintf(p, "%-*s  %9s\n", names, p.short(m.Subject), unknown)
			continue
		}
		line := fmt.Sprintf("%-*s  %9s %s", names, p.short(m.Subject), rate(m.Rate),
			p.paint(blue, p.bar(m.Rate/most*float64(room))))
		fmt.Fprintln(p, strings.TrimRight(line, " "))
	}
}

// bar is as long as that many columns, with eighths where they can be shown.
func (p *page) bar(columns float64) string {
	if p.ASCII {
		return strings.Repeat("#", int(math.Round(columns)))
	}
	eighths := int(math.Round(columns * 8))
	bar := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return bar
}

// histogram shows the latencies, each subject on a line, all on one logarithmic axis.
func (p *page) histogram(l result.Load) {
	axis, ok := newAxis(l.Results)
	if !ok {
		return
	}
	names := p.nameWidth(l)
	room := min(p.Width, 100) - names - 2
	marks := []rune(p.choose(" ▁▂▃▄▅▆▇█", " .:-=+*#@"))
	fmt.Fprintf(p, "\n%s\n\n", p.paint(bold, "Distribution of latencies"))
	for _, m := range l.Results {
		if len(m.Buckets) == 0 {
			continue
		}
		var line strings.Builder
		for _, share := range axis.density(m.Buckets, room) {
			mark := int(math.Ceil(share * float64(len(marks)-1)))
			line.WriteRune(marks[mark])
		}
		fmt.Fprintf(p, "%-*s  %s\n", names, p.short(m.Subject),
			p.paint(blue, strings.TrimRight(line.String(), " ")))
	}
	fmt.Fprintf(p, "%*s  %s\n", names, "", axis.labels(room))
}

// labels is the axis in so many columns of text.
func (a axis) labels(columns int) string {
	line := []rune(strings.Repeat(" ", columns))
	free := 0
	for _, t := range a.ticks() {
		label := []rune("|" + duration(t))
		at := int(a.at(t) * float64(columns))
		if at >= free && at+len(label) <= columns {
			copy(line[at:], label)
			free = at + len(label) + 1
		}
	}
	return strings.TrimRight(string(line), " ")
}
