package render

import (
	"bytes"
	_ "embed" // for the template
	"fmt"
	"math"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

//go:embed report.tmpl
var reportSource string

// Escape sequences, the only ones in the text.
var colors = map[string]string{"bold": "\x1b[1m", "red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m", "blue": "\x1b[34m"}

const plain = "\x1b[0m"

// columns is the length of a line of text, and lines the number of them that fit a terminal.
const (
	columns = 80
	lines   = 40
)

// A printer has the functions of the template: for a terminal, or for GitHub's markdown.
type printer struct{ markdown, color bool }

func writeText(b *bytes.Buffer, r *result.Report, o Options) error {
	p, v := printer{color: o.Color}, newView(r)
	if o.Verbose {
		return p.execute(b, "verbose", v)
	}
	if err := p.execute(b, "text", v); err != nil {
		return err
	}
	over := strings.Count(b.String(), "\n") - lines
	if over > 0 && v.Chart != nil { // the table has the rates, too
		v.Chart.Rows = v.Chart.Rows[:max(0, len(v.Chart.Rows)-over)]
		b.Reset()
		return p.execute(b, "text", v)
	}
	return nil
}

func writeMarkdown(b *bytes.Buffer, r *result.Report, _ Options) error {
	return printer{markdown: true}.execute(b, "markdown", newView(r))
}

// execute parses the template on use: every start of the command would pay for it.
func (p printer) execute(b *bytes.Buffer, name string, v *view) error {
	functions := template.FuncMap{
		"title": p.title, "subtitle": p.subtitle, "prose": p.prose, "columns": p.columns, "chart": p.chart, "pictures": p.pictures, "sweep": p.sweep, "join": strings.Join, "counted": text.Counted,
	}
	return template.Must(template.New("").Funcs(functions).Parse(reportSource)).ExecuteTemplate(b, name, v)
}

func (p printer) paint(color, s string) string {
	if !p.color || color == "" {
		return s
	}
	return colors[color] + s + plain
}

func (p printer) title(s string) string {
	if p.markdown {
		return "\n## " + escaped(s) + "\n"
	}
	return "\n" + p.paint("bold", s) + "\n" + strings.Repeat("─", utf8.RuneCountInString(s)) + "\n"
}

func (p printer) subtitle(s string) string {
	if p.markdown {
		return "\n### " + escaped(s) + "\n"
	}
	return "\n" + p.paint("bold", s) + "\n"
}

// prose returns the parts after first, which has the color. Text is wrapped, and its further lines are
// indented.
func (p printer) prose(color, first string, parts ...string) string {
	s := strings.Join(parts, "")
	if p.markdown {
		return first + escaped(s) + "\n"
	}
	var b strings.Builder
	b.WriteString(p.paint(color, first))
	indent := strings.Repeat(" ", min(2, len(first)))
	used := utf8.RuneCountInString(first)
	for i, word := range strings.Split(s, " ") {
		width := utf8.RuneCountInString(word)
		switch {
		case i > 0 && used+1+width > columns:
			b.WriteString("\n" + indent)
			used = len(indent)
		case i > 0:
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += width
	}
	return b.String() + "\n"
}

// markup has the characters that markdown acts on.
var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`, "|", `\|`)

func escaped(s string) string { return markup.Replace(s) }

// columns returns the rows of t, with its numbers on the right.
func (p printer) columns(t table) string {
	rows := append([][]string{t.Head}, t.Rows...)
	widths := make([]int, len(t.Head))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	room := columns // for names
	for _, width := range widths[1:] {
		room -= 2 + width
	}
	widths[0] = min(widths[0], max(room, 16))
	var b strings.Builder
	for i, row := range rows {
		for j, cell := range row {
			switch {
			case p.markdown:
				b.WriteString("| " + escaped(cell) + " ")
			case j == 0 && utf8.RuneCountInString(cell) > widths[0]: // in a line of its own
				fmt.Fprintf(&b, "%s\n%*s", cell, widths[0], "")
			case j == 0:
				fmt.Fprintf(&b, "%-*s", widths[j], cell)
			default:
				fmt.Fprintf(&b, "  %*s", widths[j], cell)
			}
		}
		if p.markdown {
			b.WriteString("|")
		}
		b.WriteString("\n")
		if p.markdown && i == 0 {
			b.WriteString("| ---" + strings.Repeat(" | ---:", len(row)-1) + " |\n")
		}
	}
	if p.markdown {
		b.WriteString("\n")
	}
	return b.String()
}

// pictures returns what was compared, in markdown as code.
func (p printer) pictures(subjects []result.Subject) string {
	var b strings.Builder
	for _, s := range subjects {
		fmt.Fprintf(&b, "    %-15s  %s\n", s.Picture, s.Name)
	}
	return b.String()
}

// chart returns the rows of c, in markdown as code.
func (p printer) chart(c *chart) string {
	names, values, indent := 0, 0, ""
	if p.markdown {
		indent = "    "
	}
	for _, row := range c.Rows {
		names, values = max(names, utf8.RuneCountInString(row.Name)), max(values, utf8.RuneCountInString(row.Value))
	}
	room := float64(max(1, columns-len(indent)-names-values-3)) / 100
	var b strings.Builder
	for _, row := range c.Rows {
		drawn := whiskered(int(math.Ceil(row.Bar*room)), int(math.Ceil(row.Low*room)), int(math.Round(row.High*room)))
		if drawn != "" {
			drawn = " " + p.paint("blue", drawn)
		}
		fmt.Fprintf(&b, "%s%-*s  %*s%s\n", indent, names, row.Name, values, row.Value, drawn)
	}
	return b.String()
}

// whiskered draws a bar of that length and its whisker, which is ▒ on the bar.
func whiskered(bar, low, high int) string {
	low = min(low, bar)
	drawn := strings.Repeat("█", low) + strings.Repeat("▒", bar-low)
	if high > bar {
		drawn += strings.Repeat("─", high-bar-1) + "┤"
	}
	return drawn
}
