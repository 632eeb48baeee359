package render

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// Escape sequences, the only ones in the text.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	blue   = "\x1b[34m"
	plain  = "\x1b[0m"
)

// columns is the length of a line of text.
const columns = 80

// A printer writes text for a terminal, or GitHub's markdown.
type printer struct {
	*bufio.Writer
	markdown bool
	color    bool
}

func writeText(w io.Writer, r *result.Report, color bool) error {
	p := &printer{bufio.NewWriter(w), false, color}
	v := newView(r)
	p.prose("", v.Compared)
	p.body(v)
	p.conclusions(v) // where a terminal stops
	return p.Flush()
}

func writeMarkdown(w io.Writer, r *result.Report, _ bool) error {
	p := &printer{bufio.NewWriter(w), true, false}
	v := newView(r)
	fmt.Fprint(p, "# Comparison of strategies\n\n")
	p.prose("", v.Compared)
	p.conclusions(v)
	p.body(v)
	return p.Flush()
}

func (p *printer) body(v *view) {
	for _, s := range v.Sections {
		p.title(s.Title)
		for _, c := range s.Charts {
			p.subtitle(c.Title)
			p.prose("", c.Caption)
			fmt.Fprintln(p)
			p.chart(c)
		}
		for _, t := range s.Tables {
			p.subtitle(t.Title)
			p.table(t)
		}
	}
	if len(v.Experiments) > 0 {
		p.title("Mishaps, as observed")
	}
	for _, e := range v.Experiments {
		p.subtitle(e.Title)
		for _, g := range e.Groups {
			parts := []string{g.What}
			for _, f := range g.Facts {
				if f.Value != "" {
					parts = append(parts, f.Name+": "+f.Value)
				}
			}
			p.prose("* ", g.Who+": "+strings.Join(parts, "; "))
		}
	}
	p.title("Environment")
	for _, f := range v.Facts {
		p.prose("* ", f.Name+": "+f.Value)
	}
	if command := v.Environment.Command; command != "" {
		p.title("To repeat it")
		fmt.Fprintf(p, "    %s\n", command) // not wrapped, to be copied
	}
}

func (p *printer) conclusions(v *view) {
	if len(v.Warnings) > 0 {
		p.title("Warnings")
	}
	for _, warning := range v.Warnings {
		p.prose(p.paint(yellow, "* "), warning)
	}
	if len(v.Advice) > 0 {
		p.title("Verdict")
	}
	for _, a := range v.Advice {
		p.prose("* ", a.Text+" ("+strings.Join(a.Rests, "; ")+")")
	}
	if len(v.Assertions) > 0 {
		p.title("Assertions")
	}
	for _, a := range v.Assertions {
		mark := p.paint(green, "* held: ")
		if !a.Held {
			mark = p.paint(red, "* FAILED: ")
		}
		p.prose(mark, a.Condition+" ("+a.Found+")")
	}
}

func (p *printer) paint(color, s string) string {
	if !p.color {
		return s
	}
	return color + s + plain
}

func (p *printer) title(s string) {
	if p.markdown {
		fmt.Fprintf(p, "\n## %s\n", escaped(s))
		return
	}
	fmt.Fprintf(p, "\n%s\n%s\n", p.paint(bold, s), strings.Repeat("─", utf8.RuneCountInString(s)))
}

func (p *printer) subtitle(s string) {
	if p.markdown {
		fmt.Fprintf(p, "\n### %s\n", escaped(s))
		return
	}
	fmt.Fprintf(p, "\n%s\n", p.paint(bold, s))
}

// prose writes s after first. Text is wrapped, and its further lines are indented.
func (p *printer) prose(first, s string) {
	if p.markdown {
		fmt.Fprintln(p, first+escaped(s))
		return
	}
	fmt.Fprint(p, first)
	indent := ""
	if first != "" {
		indent = "  "
	}
	used := utf8.RuneCountInString(strings.NewReplacer(red, "", green, "", yellow, "", plain, "").Replace(first))
	for i, word := range strings.Split(s, " ") {
		width := utf8.RuneCountInString(word)
		switch {
		case i > 0 && used+1+width > columns:
			fmt.Fprint(p, "\n"+indent)
			used = len(indent)
		case i > 0:
			fmt.Fprint(p, " ")
			used++
		}
		fmt.Fprint(p, word)
		used += width
	}
	fmt.Fprintln(p)
}

// markup has the characters that markdown acts on.
var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`, "|", `\|`)

func escaped(s string) string { return markup.Replace(s) }

// table writes t with its numbers on the right, and its notes.
func (p *printer) table(t table) {
	rows := append([][]string{t.Head}, t.Rows...)
	if p.markdown {
		for i, row := range rows {
			var cells []string
			for _, cell := range row {
				cells = append(cells, escaped(cell))
			}
			fmt.Fprintf(p, "| %s |\n", strings.Join(cells, " | "))
			if i == 0 {
				fmt.Fprintln(p, "| ---"+strings.Repeat(" | ---:", len(row)-1)+" |")
			}
		}
		fmt.Fprintln(p)
	} else {
		p.aligned(rows)
	}
	for _, row := range t.Rows {
		if reason := t.Reasons[row[0]]; reason != "" {
			p.prose("* ", row[0]+": "+reason)
		}
	}
	for _, note := range t.Notes {
		p.prose("* ", note)
	}
}

func (p *printer) aligned(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		fmt.Fprintf(p, "%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(p, "  %*s", widths[i+1], cell)
		}
		fmt.Fprintln(p)
	}
}

// chart writes the rows of c, in markdown as code.
func (p *printer) chart(c chart) {
	names, values, indent := 0, 0, ""
	if p.markdown {
		indent = "    "
	}
	for _, row := range c.Rows {
		names, values = max(names, utf8.RuneCountInString(row.Name)), max(values, utf8.RuneCountInString(row.Value))
	}
	room := float64(max(1, columns-len(indent)-names-values-3)) / 100
	for _, row := range c.Rows {
		bar := int(math.Ceil(row.Low * room))
		interval := max(bar, int(math.Round(row.High*room))) - bar
		drawn := strings.Repeat("█", bar) + strings.Repeat("░", interval)
		if drawn != "" {
			drawn = " " + p.paint(blue, drawn)
		}
		fmt.Fprintf(p, "%s%-*s  %*s%s\n", indent, names, row.Name, values, row.Value, drawn)
	}
}
