// Package render writes a report: as text for a terminal, as markdown, as a table for spreadsheets,
// as JSON, and as a page for a browser. It writes no control character of the report.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

var formats = []struct {
	name  string
	write func(w io.Writer, r *result.Report, color bool) error
}{
	{"text", writeText},
	{"markdown", writeMarkdown},
	{"csv", writeCSV},
	{"json", writeJSON},
	{"html", writeHTML},
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

// Write writes r to w in a format; color adds escape sequences to text. It returns the error of
// [Check], or of w. It does not change r, and neither flushes nor closes w.
func Write(w io.Writer, r *result.Report, format string, color bool) error {
	if err := Check(format); err != nil {
		return err
	}
	if err := formats[slices.Index(Formats(), format)].write(w, r, color); err != nil {
		return fmt.Errorf("write the report as %s: %w", format, err)
	}
	return nil
}
