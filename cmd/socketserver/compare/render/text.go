package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A page is text for a terminal.
type page struct {
	*bufio.Writer
	Options
}

func writeText(w io.Writer, r *result.Report, o Options) error {
	r = cleaned(r)
	p := &page{bufio.NewWriter(w), o}
	p.lines("", compared(r))
	for _, l := range r.Loads {
		p.title(loadTitle(l.Kind))
		for _, c := range charts(r, l) {
			fmt.Fprintf(p, "\n%s\n", p.paint(bold, c.Title))
			p.lines("", c.Caption)
			fmt.Fprintln(p)
			p.chart(c, "")
		}
		for _, t := range loadTables(r, l) {
			p.grid(t)
		}
	}
	p.mishaps(r)
	p.title("Environment")
	for _, f := range facts(r) {
		p.lines(fmt.Sprintf("%-21s", f.Name+":"), f.Value)
	}
	if r.Environment.Command != "" {
		p.title("To repeat it")
		fmt.Fprintln(p, r.Environment.Command) // not wrapped, to be copied
	}
	p.conclusions(r)
	return p.Flush()
}

func (p *page) mishaps(r *result.Report) {
	if len(r.Mishaps) == 0 {
		return
	}
	p.title("Mishaps, as observed")
	all, notes := experiments(r)
	for _, note := range notes {
		p.lines("", note)
	}
	for _, e := range all {
		fmt.Fprintln(p)
		p.lines("", p.paint(bold, e.Title))
		for _, g := range e.Groups {
			p.lines("  ", g.Who+":")
			if what := g.What(); what != "" {
				p.lines("      ", what)
			}
			p.facts(g)
		}
	}
}

// facts writes the details of an observation, mostly one line.
func (p *page) facts(g group) {
	lived := g.Lived
	if lived != "yes" {
		lived = p.paint(red, lived)
	}
	var parts []string
	for _, f := range []fact{{"noticed", g.Noticed}, {"cut off", g.CutOff}, {"lived", lived}, {"left", g.Left}} {
		if f.Value != "" {
			parts = append(parts, f.Name+": "+f.Value)
		}
	}
	if len(parts) > 0 {
		p.lines("      ", strings.Join(parts, "; "))
	}
}

func (p *page) conclusions(r *result.Report) {
	if len(r.Warnings) > 0 {
		p.title("Warnings")
	}
	for _, warning := range r.Warnings {
		p.lines(p.paint(yellow, "! "), warning)
	}
	if len(r.Advice) > 0 {
		p.title("Verdict")
	}
	for _, a := range r.Advice {
		p.lines("", a.Text)
		p.lines("  ", "("+strings.Join(a.Rests, "; ")+")")
	}
	if len(r.Assertions) > 0 {
		p.title("Assertions")
	}
	for _, a := range r.Assertions {
		mark := p.paint(green, "held    ")
		if !a.Held {
			mark = p.paint(red, "FAILED  ")
		}
		p.lines(mark, a.Condition+"  ("+a.Found+")")
	}
}
