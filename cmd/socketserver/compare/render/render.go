// Package render shows what a comparison found: as text for a terminal, as markdown, as a
// table for spreadsheets, as JSON, and as a page for a browser. It computes nothing that
// is not in the report, and lets no control character of the report through.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// Options say what the text is shown on. The other forms do not depend on them.
type Options struct {
	Width int  // of the terminal, in columns; 0: 80; never taken as less than 40
	Color bool // whether it understands escape sequences for colours
	ASCII bool // whether it shows nothing but ASCII
}

var formats = []struct {
	name  string
	write func(io.Writer, *result.Report, Options) error
}{
	{"text", writeText},
	{"markdown", writeMarkdown},
	{"csv", writeCSV},
	{"json", writeJSON},
	{"html", writeHTML},
}

// Formats returns the names that Write knows.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Check says whether there is such a format, so that a comparison need not run before its
// user learns that there is not.
func Check(format string) error {
	if slices.Contains(Formats(), format) {
		return nil
	}
	return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
}

// Write shows r in a format to w. It returns the error of [Check] for one that it does not
// know, and those of w. It does not change r, and neither flushes nor closes w.
func Write(w io.Writer, r *result.Report, format string, o Options) error {
	if err := Check(format); err != nil {
		return err
	}
	if o.Width == 0 {
		o.Width = 80
	}
	o.Width = max(o.Width, 40)
	for _, f := range formats {
		if f.name != format {
			continue
		}
		if err := f.write(w, r, o); err != nil {
			return fmt.Errorf("write the report as %s: %w", format, err)
		}
	}
	return nil
}
