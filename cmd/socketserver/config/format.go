package config

import (
	"bytes"

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
