package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in canonical layout. Only the syntax is checked; the error is an
// [*Errors].
func Format(filename string, src []byte) ([]byte, error) {
	p := problems{sources: map[string][]byte{}}
	src, _ = p.syntax(filename, src, &guard{})
	if err := p.err(); err != nil {
		return nil, err
	}
	return formatted(src), nil
}

// formatted keeps the contents of heredocs: hclwrite loses count of the brackets of an
// expression in one that goes over several lines.
func formatted(src []byte) []byte {
	var empty, all bytes.Buffer
	end := 0
	contents := heredocs(src)
	for _, h := range contents {
		empty.Write(src[end:h[0]])
		end = h[1]
	}
	empty.Write(src[end:])
	out := hclwrite.Format(empty.Bytes())
	end = 0
	for i, h := range heredocs(out) {
		all.Write(out[end:h[0]])
		all.Write(src[contents[i][0]:contents[i][1]])
		end = h[0]
	}
	all.Write(out[end:])
	return all.Bytes()
}

// heredocs returns where the contents of heredocs begin and end. One inside an expression of
// another is part of that one's contents.
func heredocs(src []byte) (contents [][2]int) {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	depth, start := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOHeredoc:
			if depth++; depth == 1 {
				start = t.Range.End.Byte
			}
		case hclsyntax.TokenCHeredoc:
			if depth--; depth == 0 {
				contents = append(contents, [2]int{start, t.Range.Start.Byte})
			}
		}
	}
	return contents
}

// syntax guards and parses a source. If there are errors it adds them to p and returns a nil
// body.
func (p *problems) syntax(name string, src []byte, g *guard) ([]byte, *hclsyntax.Body) {
	src, place, f := g.check(name, src)
	p.sources[name] = src
	if f != nil {
		p.add(place, f)
		return src, nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		for _, d := range essential(diags) {
			if place, f := bareText(src, d.Subject); f != nil {
				p.add(place, f)
				continue
			}
			p.diagnose("", hcl.Diagnostics{d})
		}
		return src, nil
	}
	return src, file.Body.(*hclsyntax.Body)
}

// assigned matches the first word after the = of a line.
var assigned = regexp.MustCompile(`^[ \t]*(?:[^#=]*\{)?[ \t]*[\pL\pN_-]+[ \t]*=[ \t]*([^\s"{}\[\](),#]+)(\()?`)

// bareText finds a common cause of syntax errors: text without quotation marks, such as an
// address or a duration, before the place where the parser stopped.
func bareText(src []byte, gaveUp *hcl.Range) (hcl.Range, *fault) {
	start := bytes.LastIndexByte(src[:gaveUp.Start.Byte], '\n') + 1
	line, _, _ := bytes.Cut(src[start:], []byte("\n"))
	word := assigned.FindSubmatchIndex(line)
	if word == nil || word[4] >= 0 || gaveUp.Start.Byte < start+word[2] { // word[4]: a function call
		return hcl.Range{}, nil
	}
	text := string(line[word[2]:word[3]])
	value, diags := hclsyntax.ParseExpression([]byte(text), gaveUp.Filename, hcl.InitialPos)
	if !diags.HasErrors() && len(value.Variables()) == 0 { // a number, true, false or null
		return hcl.Range{}, nil
	}
	return at(gaveUp.Filename, src, start+word[2]), faultf(fmt.Sprintf("write %q", text), "text needs quotation marks")
}

// essential drops syntax errors that only follow from others: all but the first of a line, and
// all after an unclosed quote, where text and configuration swap places.
func essential(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
	var kept hcl.Diagnostics
	line := 0
	for _, d := range diags {
		if d.Subject.Start.Line == line {
			continue
		}
		line = d.Subject.Start.Line
		kept = append(kept, d)
		if d.Summary == "Invalid multi-line string" {
			break
		}
	}
	return kept
}
