package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// writeMarkdown writes GitHub's markdown. Text of the report is never markup.
func writeMarkdown(w io.Writer, r *result.Report, _ Options) error {
	r = cleaned(r)
	b := &page{bufio.NewWriter(w), Options{Width: 80}}
	fmt.Fprintf(b, "# Comparison of strategies\n\n%s\n", escaped(compared(r)))
	if len(r.Advice) > 0 {
		fmt.Fprint(b, "\n## Verdict\n\n")
	}
	for _, a := range r.Advice {
		fmt.Fprintf(b, "* %s (%s)\n", escaped(a.Text), escaped(strings.Join(a.Rests, "; ")))
	}
	if len(r.Warnings) > 0 {
		fmt.Fprint(b, "\n## Warnings\n")
		list(b, r.Warnings)
	}
	for _, l := range r.Loads {
		fmt.Fprintf(b, "\n## %s\n", escaped(loadTitle(l.Kind)))
		for _, c := range charts(r, l) {
			fmt.Fprintf(b, "\n### %s\n\n%s\n\n", c.Title, c.Caption)
			b.chart(c, "    ")
		}
		for _, g := range loadTables(r, l) {
			fmt.Fprintf(b, "\n### %s\n\n%s\n", escaped(g.title), g.markdown())
			list(b, g.footnotes())
		}
	}
	if len(r.Mishaps) > 0 {
		all, notes := experiments(r)
		fmt.Fprintf(b, "\n## Mishaps, as observed\n\n%s\n", mishapGrid(all).markdown())
		list(b, notes)
	}
	if len(r.Assertions) > 0 {
		fmt.Fprintf(b, "\n## Assertions\n\n%s\n", assertionGrid(r).markdown())
	}
	fmt.Fprint(b, "\n## Environment\n\n")
	for _, f := range facts(r) {
		fmt.Fprintf(b, "* %s: %s\n", f.Name, escaped(f.Value))
	}
	if r.Environment.Command != "" {
		fmt.Fprintf(b, "\nTo repeat it:\n\n    %s\n", r.Environment.Command)
	}
	return b.Flush()
}

func list(w io.Writer, items []string) {
	if len(items) > 0 {
		fmt.Fprintln(w)
	}
	for _, item := range items {
		fmt.Fprintf(w, "* %s\n", escaped(item))
	}
}

// markdown returns g as a table. The library escapes column separators.
func (g grid) markdown() string {
	t := grid{head: g.head, words: g.words}
	for _, row := range g.rows {
		var cells []string
		for _, cell := range row {
			cells = append(cells, escaped(cell))
		}
		t.rows = append(t.rows, cells)
	}
	return t.writer().RenderMarkdown()
}

var markup = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`)

// escaped escapes markup.
func escaped(s string) string { return markup.Replace(s) }

func mishapGrid(all []experiment) grid {
	g := grid{words: true, head: []string{
		"mishap", "subjects", "what happened", "noticed by", "cut off", "server lived", "left behind",
	}}
	for _, e := range all {
		title := e.Title
		for _, o := range e.Groups {
			g.rows = append(g.rows, []string{
				title, o.Who, o.What(), o.Noticed, o.CutOff, o.Lived, o.Left,
			})
			title = ""
		}
	}
	return g
}

func assertionGrid(r *result.Report) grid {
	g := grid{words: true, head: []string{"condition", "held", "found"}}
	for _, a := range r.Assertions {
		held := "yes"
		if !a.Held {
			held = "no"
		}
		g.rows = append(g.rows, []string{a.Condition, held, a.Found})
	}
	return g
}
