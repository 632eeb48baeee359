package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rivo/uniseg"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Errors lists everything wrong with a configuration, in the order of the places.
type Errors struct {
	List []Error
	// Sources and Sum are those of [Config]: a change of one of these files may mend it.
	Sources []string
	Sum     string
}

// An Error is one mistake in a configuration.
type Error struct {
	File         string // or the flag of the command line
	Line, Column int    // from 1; 0: the error has no place inside File
	Source       string // the line around Column, with control characters escaped
	Message      string // what is wrong, prefixed with the block
	Next         string // what to do

	caret string // blanks and tabs up to Column in Source
}

// shown is the maximum number of errors that Error prints.
const shown = 20

// Error prints each error on a line of its own, followed by its place in the source.
func (e *Errors) Error() string {
	var all []string
	for _, one := range e.List[:min(len(e.List), shown)] {
		all = append(all, one.Error())
	}
	if more := len(e.List) - shown; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "\n")
}

func (e Error) Error() string {
	message := e.Message
	if e.Next != "" {
		message += "; " + e.Next
	}
	return e.place() + ": " + message + e.excerpt()
}

func (e Error) place() string {
	if e.Line == 0 {
		return text.Line(e.File)
	}
	return fmt.Sprintf("%s:%d:%d", text.Line(e.File), e.Line, e.Column)
}

// excerpt returns the line around the place, and a mark below that; empty: there is none.
func (e Error) excerpt() string {
	if e.Source == "" {
		return ""
	}
	return fmt.Sprintf("\n    %s\n    %s^", e.Source, e.caret)
}

// A Place is where something is written, for errors that are found later. It is zero for what is not in a file.
type Place struct{ at, excerpt string }

// Wrap returns err, which may be nil, with the place before it and the line of the source after it, as [Error] has them.
func (p Place) Wrap(err error) error {
	if p == (Place{}) || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w%s", p.at, err, p.excerpt)
}

// problems collects errors. A place is an [hcl.Range]; its line is 0 for a whole file
// and for a flag of the command line.
type problems struct {
	sources map[string][]byte // by file name
	list    []Error
}

// fault is an error without its place.
type fault struct{ message, next string }

func faultf(next, format string, args ...any) *fault {
	return &fault{fmt.Sprintf(format, args...), next}
}

func (p *problems) add(at hcl.Range, f *fault) {
	e := p.locate(at)
	e.Message, e.Next = oneLine(f.message), oneLine(f.next)
	p.list = append(p.list, e)
}

// locate returns an error with its place alone.
func (p *problems) locate(at hcl.Range) Error {
	e := Error{File: at.Filename, Line: at.Start.Line, Column: at.Start.Column}
	if src := p.sources[at.Filename]; e.Line > 0 && at.Start.Byte <= len(src) {
		e.Source, e.caret = excerpt(src, at.Start.Byte)
	}
	return e
}

// placeOf returns a place for errors that are found later.
func (p *problems) placeOf(at hcl.Range) Place {
	e := p.locate(at)
	if e.Line == 0 {
		return Place{}
	}
	return Place{e.place(), e.excerpt()}
}

// err returns the errors, sorted and without duplicates, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Message, b.Message))
	})
	return &Errors{List: slices.Compact(p.list)}
}

// diagnose adds HCL's diagnostics, translated by [translate].
func (p *problems) diagnose(block string, diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		at := hcl.Range{}
		if d.Subject != nil {
			at = *d.Subject
		}
		f := translate(d)
		f.message = block + f.message
		p.add(at, f)
	}
}

func translate(d *hcl.Diagnostic) *fault {
	if f, ok := hcl.DiagnosticExtra[*fault](d); ok {
		return f
	}
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && call.FunctionCallError() != nil {
		f := &fault{message: lowerFirst(call.FunctionCallError().Error())}
		_ = errors.As(call.FunctionCallError(), &f)
		return &fault{fmt.Sprintf("%s(): %s", call.CalledFunctionName(), f.message), f.next}
	}
	if v, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr); ok && (d.Summary == "Unknown variable" || d.Summary == "Variables not allowed") {
		name, next := v.Traversal.RootName(), "write text in quotes, as in %q"
		if slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(name)) {
			next = "write true or false, or " + next[len("write "):]
		}
		return faultf(fmt.Sprintf(next, name), "there is no variable %q", name)
	}
	if d.Summary == "Too many function arguments" || d.Summary == "Not enough function arguments" {
		next := "see its form in docs/configuration.md"
		name, _, _ := strings.Cut(strings.TrimPrefix(d.Detail, `Function "`), `"`)
		if name == "env" {
			next = `write env("NAME"), and set the variable before starting: there is no default`
		}
		return faultf(next, "%s(): %s", name, lowerFirst(d.Summary))
	}
	return &fault{lowerFirst(d.Summary), strings.TrimSuffix(lowerFirst(d.Detail), ".")}
}

func (f *fault) Error() string { return f.message }

// excerpt returns the line of src around an offset, and the blanks before that offset.
func excerpt(src []byte, offset int) (line, caret string) {
	const before, after = 120, 80
	head := string(src[bytes.LastIndexByte(src[:offset], '\n')+1 : offset])
	cut := ""
	if len(head) > before {
		head, cut = head[len(head)-before:], "…"
	}
	tail, _, _ := strings.Cut(string(src[offset:min(len(src), offset+after)]), "\n")
	head = cut + text.Line(strings.ToValidUTF8(head, ""))
	return head + text.Line(strings.ToValidUTF8(strings.TrimSuffix(tail, "\r"), "")), blanks(head)
}

// blanks returns blanks of the same width as text on a terminal.
func blanks(text string) string {
	parts := strings.Split(text, "\t")
	for i, part := range parts {
		parts[i] = strings.Repeat(" ", uniseg.StringWidth(part))
	}
	return strings.Join(parts, "\t")
}

func oneLine(s string) string {
	const longest = 500
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return text.Line(strings.Join(strings.Fields(s), " "))
}

func lowerFirst(text string) string {
	if len(text) > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z' {
		return string(text[0]+'a'-'A') + text[1:]
	}
	return text
}

// suggest returns the nearest of the names as a question, or lists them all.
func suggest(name string, names []string) string {
	if len(names) == 0 {
		return "remove it"
	}
	return text.Hint(name, names, "there is "+list(names))
}

// list joins quoted names with commas and "and".
func list(names []string) string {
	var quoted []string
	for _, n := range slices.Sorted(slices.Values(names)) {
		quoted = append(quoted, strconv.Quote(n))
	}
	return text.And(quoted)
}
