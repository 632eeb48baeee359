package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in canonical layout. Only its syntax is checked; the error is an
// [*Errors] with all that is wrong.
func Format(filename string, src []byte) ([]byte, error) {
	p := problems{sources: map[string][]byte{}}
	src, _ = p.syntax(filename, src, &guard{})
	if err := p.err(); err != nil {
		return nil, err
	}
	return hclwrite.Format(src), nil
}

// syntax guards and parses a source. It adds to p what is wrong, and then the file is nil.
func (p *problems) syntax(name string, src []byte, g *guard) ([]byte, *hclsyntax.Body) {
	src, place, f := g.check(name, src)
	p.sources[name] = src
	if f != nil {
		p.add(place, f)
		return src, nil
	}
	file, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		p.diagnose("", essential(diags))
		return src, nil
	}
	return src, file.Body.(*hclsyntax.Body)
}

// essential leaves out what only follows from another error of the syntax: all but the
// first of a line, and all after a quote that is not closed, as text and configuration
// change places there.
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
