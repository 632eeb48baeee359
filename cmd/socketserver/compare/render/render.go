// Package render shows a report: as text for a terminal, as markdown for an issue, as CSV for a
// spreadsheet, as JSON, and as a page for a browser. It writes no control character of the report.
package render

import (
	"bytes"
	_ "embed" // for the page and its style
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

var formats = []struct {
	name  string
	write func(b *bytes.Buffer, r *result.Report, o Options) error
}{
	{"text", writeText},
	{"markdown", writeMarkdown},
	{"csv", writeCSV},
	{"json", writeJSON},
	{"html", writeHTML},
}

// Options are those of the format text.
type Options struct {
	Color   bool // with escape sequences
	Verbose bool // all of the report, in place of at most 40 lines
}

// Formats returns the names of the formats.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Check returns an error if there is no such format. It can be called before the comparison.
func Check(format string) error {
	if slices.Contains(Formats(), format) {
		return nil
	}
	return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
}

// Write writes r to w in a format, or nothing if that fails. It returns the error of [Check], or of w.
// It does not change r, and neither flushes nor closes w.
func Write(w io.Writer, r *result.Report, format string, o Options) error {
	if err := Check(format); err != nil {
		return err
	}
	var b bytes.Buffer
	err := formats[slices.Index(Formats(), format)].write(&b, r, o)
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write the report as %s: %w", format, err)
	}
	return nil
}

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	pageStyle template.CSS
)

// writeHTML writes the page. The template escapes all that the view has. It is parsed on use: every
// start of the command would pay for it.
func writeHTML(b *bytes.Buffer, r *result.Report, _ Options) error { return writePage(b, newView(r)) }

func writePage(b *bytes.Buffer, v *view) error {
	functions := template.FuncMap{"style": func() template.CSS { return pageStyle }}
	return template.Must(template.New("page").Funcs(functions).Parse(pageSource)).Execute(b, v)
}

// writeJSON writes the report itself. Empty lists are lists, never null. Characters that a terminal
// would act on are escaped, which a JSON parser reads as the same text.
func writeJSON(b *bytes.Buffer, r *result.Report, _ Options) error {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), func(s string) string { return s })
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(c)
	for _, char := range encoded.String() {
		if !text.Block.Hides(char) { // a newline belongs to the layout: in a string it is escaped
			b.WriteRune(char)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, char) {
			fmt.Fprintf(b, `\u%04x`, unit)
		}
	}
	return err
}
