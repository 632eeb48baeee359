package render

import (
	"bytes"
	_ "embed" // for the page and its style
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"sync"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	pageStyle string

	// pageTemplate is parsed on first use: every start of the command would pay for it.
	pageTemplate = sync.OnceValue(func() *template.Template {
		return template.Must(template.New("page").Funcs(template.FuncMap{
			"prose": prose,
			"fact":  func(name, value string) fact { return fact{name, value} },
		}).Parse(pageSource))
	})
)

// A view is the data of the page. The template escapes all of it.
type view struct {
	*result.Report
	Style       template.CSS
	Compared    string
	Sections    []section
	Experiments []experiment
	Untried     []string
	Facts       []fact
	Legend      []fact // by class
}

// A section is one kind of load.
type section struct {
	ID, Title string
	Charts    []chart
	Tables    []tableView
}

type tableView struct {
	Title string
	Head  []string
	Rows  []rowView
	Notes []string
}

type rowView struct {
	Name   string
	Cells  []string
	Reason string // in place of the cells
	Span   int    // number of cells
}

func writeHTML(w io.Writer, r *result.Report, _ Options) error {
	r = cleaned(r)
	v := view{
		Report: r, Style: template.CSS(pageStyle), Compared: compared(r),
		Facts: facts(r), Legend: legend(r),
	}
	v.Experiments, v.Untried = experiments(r)
	for i, l := range r.Loads {
		v.Sections = append(v.Sections, newSection(r, l, i))
	}
	var b bytes.Buffer // nothing is written if the template fails
	if err := pageTemplate().Execute(&b, v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

var option = regexp.MustCompile(`--[a-z]+(-[a-z]+)*`)

// prose returns s as text of the page, in which no line breaks between a number and its unit or inside
// an option.
func prose(s string) template.HTML {
	return template.HTML(option.ReplaceAllString(template.HTMLEscapeString(tied(s)), `<span class="option">$0</span>`))
}

// legend returns the forms of the subjects.
func legend(r *result.Report) []fact {
	var all []fact
	for _, f := range []fact{
		{result.Compiled, "compiled in"}, {result.Plugin, "plugin"}, {result.Python, "Python"},
	} {
		if slices.ContainsFunc(r.Subjects, func(s result.Subject) bool { return formOf(r, s.Name) == f.Name }) {
			all = append(all, f)
		}
	}
	return all
}

// Class is the style of a cell of the table of mishaps.
func (f fact) Class() string {
	switch {
	case f.Value == "":
		return "empty none"
	case f.Value == "nobody" || f.Value == "nothing":
		return "none"
	case f.Name == "Server lived" && f.Value != "yes":
		return "bad"
	}
	return ""
}

func newSection(r *result.Report, l result.Load, index int) section {
	s := section{ID: fmt.Sprintf("load-%d", index+1), Title: loadTitle(l.Kind), Charts: charts(r, l)}
	for _, g := range loadTables(r, l) {
		t := tableView{Title: g.title, Head: g.head, Notes: g.notes}
		for _, row := range g.rows {
			t.Rows = append(t.Rows, rowView{row[0], row[1:], g.reasons[row[0]], len(row) - 1})
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}
