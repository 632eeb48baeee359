package render

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
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

// longest is the number of columns of a subject's name; a longer one is cut.
const longest = 24

func (p *page) paint(color, s string) string {
	if !p.Color || s == "" {
		return s
	}
	return color + s + plain
}

// choose returns ascii if only ASCII can be shown.
func (p *page) choose(unicode, ascii string) string {
	if p.ASCII {
		return ascii
	}
	return unicode
}

func (p *page) title(s string) {
	fmt.Fprintf(p, "\n%s\n%s\n", p.paint(bold, s), strings.Repeat(p.choose("─", "-"), width(s)))
}

// lines writes s after first and wraps it; further lines are indented by the width of first.
func (p *page) lines(first, s string) {
	indent := width(first)
	for i, line := range wrap(s, min(p.Width, 100)-indent) {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		fmt.Fprintln(p, first+line)
	}
}

// wrap breaks s between words, and inside a word that is too long for a line.
func wrap(s string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Split(tied(s), " ") {
		word = strings.ReplaceAll(word, "\u00a0", " ")
		if line != "" && width(line)+1+width(word) <= columns {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for width(word) > columns {
			head := text.Trim(word, columns)
			lines = append(lines, head)
			word = strings.TrimPrefix(word, head)
		}
		line = word
	}
	return append(lines, line)
}

// width returns the number of columns, without escape sequences.
func width(s string) int { return text.StringWidthWithoutEscSequences(s) }

// short cuts a name that is too long.
func (p *page) short(name string) string {
	return text.Snip(name, min(longest, p.Width/3), p.choose("…", "~"))
}

// grid writes g, with the columns that do not fit as another table.
func (p *page) grid(g grid) {
	fmt.Fprintf(p, "\n%s\n\n", p.paint(bold, g.title))
	notes := g.footnotes()
	for i := range g.rows {
		g.rows[i][0] = p.short(g.rows[i][0])
	}
	for i, part := range split(g, p.Width) {
		if i > 0 {
			fmt.Fprintln(p)
		}
		fmt.Fprintln(p, p.draw(part))
	}
	if len(notes) > 0 {
		fmt.Fprintln(p)
	}
	for _, note := range notes {
		p.lines("  ", note)
	}
}

const gap = 2 // columns between those of a table

// split divides g among as few tables as fit, of similar widths. Each begins with the first column.
func split(g grid, columns int) []grid {
	parts := fill(g, columns)
	for narrower := columns - 1; narrower > 0; narrower-- {
		next := fill(g, narrower)
		if len(next) > len(parts) {
			break
		}
		parts = next
	}
	return parts
}

// fill puts as many columns as fit into each table, at least one.
func fill(g grid, columns int) []grid {
	first := gap + g.columnWidth(0)
	var parts []grid
	var chosen []int
	used := first
	for i := 1; i < len(g.head); i++ {
		w := gap + g.columnWidth(i)
		if len(chosen) > 0 && used+w > columns {
			parts = append(parts, g.only(chosen))
			chosen, used = nil, first
		}
		chosen, used = append(chosen, i), used+w
	}
	return append(parts, g.only(chosen))
}

func (g grid) columnWidth(i int) int {
	w := width(g.head[i])
	for _, row := range g.rows {
		w = max(w, width(row[i]))
	}
	return w
}

// only returns the first column and the chosen ones.
func (g grid) only(chosen []int) grid {
	pick := func(row []string) []string {
		picked := []string{row[0]}
		for _, i := range chosen {
			picked = append(picked, row[i])
		}
		return picked
	}
	part := grid{head: pick(g.head)}
	for _, row := range g.rows {
		part.rows = append(part.rows, pick(row))
	}
	return part
}

func (p *page) draw(g grid) string {
	style := table.StyleLight
	if p.ASCII {
		style = table.StyleDefault
	}
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Format.Header = text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = strings.Repeat(" ", gap), ""
	t := g.writer()
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	return t.Render()
}

// writer returns g as a table of the library, with aligned numbers.
func (g grid) writer() table.Writer {
	t := table.NewWriter()
	row := func(cells []string) table.Row {
		var r table.Row
		for _, c := range cells {
			r = append(r, c)
		}
		return r
	}
	t.AppendHeader(row(g.head))
	for _, cells := range g.rows {
		t.AppendRow(row(cells))
	}
	t.SetColumnConfigs(g.columns())
	return t
}

func (g grid) columns() []table.ColumnConfig {
	if g.words {
		return nil
	}
	var all []table.ColumnConfig
	for i := 1; i < len(g.head); i++ {
		all = append(all, table.ColumnConfig{
			Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight,
		})
	}
	return all
}
