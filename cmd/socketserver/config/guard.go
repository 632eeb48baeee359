package config

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL's parser recurses for every bracket, block and operator, without a limit, and a stack
// overflow cannot be recovered. The guard counts the tokens of a source first: the lexer does
// not recurse.
const (
	maxSource = 1 << 20 // bytes, of all files
	maxTokens = 50_000  // of all files; a server has about 30
	maxDepth  = 64      // brackets, quotes, templates and blocks inside each other
)

// guard bounds the sources of a configuration, all files together, and what they make.
type guard struct{ bytes, tokens, made int }

// check returns src without a byte order mark, and the first fault with its place.
func (g *guard) check(name string, src []byte) ([]byte, hcl.Range, *fault) {
	if g.bytes += len(src); g.bytes > maxSource {
		return nil, hcl.Range{Filename: name}, faultf("split the servers among several daemons", "the configuration is larger than 1 MiB")
	}
	if bytes.HasPrefix(src, []byte("\xff\xfe")) || bytes.HasPrefix(src, []byte("\xfe\xff")) {
		return nil, hcl.Range{Filename: name}, faultf("save it as UTF-8", "the file is UTF-16")
	}
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if i := bytes.IndexByte(src, 0); i >= 0 {
		return src, at(name, src, i), faultf("is it a text file? save it as UTF-8", "there is a NUL byte")
	}
	if !utf8.Valid(src) {
		return src, at(name, src, bytes.IndexRune(src, utf8.RuneError)), faultf("save the file as UTF-8", "there is a byte that is not UTF-8")
	}
	place, f := g.measure(name, src)
	return src, place, f
}

// at returns the place of an offset.
func at(name string, src []byte, offset int) hcl.Range {
	line := src[bytes.LastIndexByte(src[:offset], '\n')+1 : offset]
	pos := hcl.Pos{Line: bytes.Count(src[:offset], []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1, Byte: offset}
	return hcl.Range{Filename: name, Start: pos, End: pos}
}

func (g *guard) measure(name string, src []byte) (hcl.Range, *fault) {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	if g.tokens += len(tokens); g.tokens > maxTokens {
		return hcl.Range{Filename: name}, faultf("split the servers among several daemons", "the configuration has more than %d words and signs", maxTokens)
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenNumberLit:
			if f := g.number(string(t.Bytes)); f != nil {
				return t.Range, f
			}
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth = max(0, depth-1)
		}
		if depth > maxDepth {
			return t.Range, faultf("flatten it, or close what is open", "blocks, brackets and quotes are nested more than %d deep", maxDepth)
		}
	}
	return hcl.Range{}, nil
}

// number counts a number by its exponent, in bits: a short one may have more digits than a file has bytes.
func (g *guard) number(literal string) *fault {
	_, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	digits, _ := strconv.ParseFloat("0"+strings.TrimLeft(exponent, "+-"), 64)
	return g.take(4 * digits)
}
