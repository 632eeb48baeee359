package config

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL's parser recurses for every bracket, block and operator, without a limit. A stack
// overflow ends the process and cannot be recovered, so the guard counts the tokens of a
// source first. The lexer does not recurse.
const (
	maxSource   = 1 << 20  // bytes, of all files
	maxTokens   = 50_000   // of all files; each costs some 200 bytes
	maxDepth    = 64       // brackets, quotes, templates and blocks inside each other
	maxChain    = 64       // operators in one expression
	maxLiterals = 1000     // pieces of a string; the parser joins lines in quadratic time
	maxNumber   = 64       // characters of a number
	lexStep     = 64 << 10 // bytes in the first step of lexing
)

// guard bounds the sources of a configuration, all files together.
type guard struct {
	bytes  int // of all sources
	tokens int // of sources before the current one
}

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
	if i := invalidUTF8(src); i >= 0 {
		return src, at(name, src, i), faultf("save the file as UTF-8", "there is a byte that is not UTF-8")
	}
	place, f := g.measure(name, src)
	return src, place, f
}

func invalidUTF8(src []byte) int {
	if utf8.Valid(src) {
		return -1
	}
	i := 0
	for {
		c, size := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
}

// at returns the place of an offset.
func at(name string, src []byte, offset int) hcl.Range {
	line := src[bytes.LastIndexByte(src[:offset], '\n')+1 : offset]
	pos := hcl.Pos{Line: bytes.Count(src[:offset], []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1, Byte: offset}
	return hcl.Range{Filename: name, Start: pos, End: pos}
}

// measure lexes longer and longer prefixes of src, so that a hostile source is refused before
// all its tokens are in memory.
func (g *guard) measure(name string, src []byte) (hcl.Range, *fault) {
	for end, step := 0, lexStep; ; {
		end = min(end+step, len(src))
		tokens := lex(name, src[:end])
		var n nesting
		for i, t := range tokens {
			if f := n.enter(t, tokens[i+1:]); f != nil {
				return t.Range, f
			}
			if t.Type == hclsyntax.TokenComment && t.Range.End.Byte > len(src)+1 {
				return t.Range, faultf("close it with */", "the comment has no end")
			}
		}
		if g.tokens+len(tokens) > maxTokens {
			return tokens[len(tokens)-1].Range, faultf("split the servers among several daemons", "the configuration has more than %d words and signs", maxTokens)
		}
		if end == len(src) {
			g.tokens += len(tokens)
			return hcl.Range{}, nil
		}
		step = lexStep + maxTokens - len(tokens) // a token has at least one byte
	}
}

// lex returns the tokens that begin in src. It appends the end of a comment: for each comment
// without an end the lexer would scan to the end of the file and go back, in quadratic time.
func lex(name string, src []byte) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(slices.Concat(src, []byte("\n*/")), name, hcl.InitialPos)
	for len(tokens) > 1 && tokens[len(tokens)-1].Range.Start.Byte >= len(src) {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

// nesting is the parser's depth after the tokens so far.
type nesting struct {
	frames     []frame
	outside    frame // of all brackets
	directives int   // %{if} and %{for} that are open, in all frames
}

type frame struct {
	closer                          hclsyntax.TokenType
	operators, literals, directives int
}

var closers = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

// operators add one level each to the parser's or the evaluation's recursion. An index is
// one, too.
var operators = []hclsyntax.TokenType{
	hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
	hclsyntax.TokenPercent, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan,
	hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd,
	hclsyntax.TokenOr, hclsyntax.TokenQuestion, hclsyntax.TokenDot, hclsyntax.TokenDoubleColon, hclsyntax.TokenOBrack,
}

func (n *nesting) top() *frame {
	if len(n.frames) == 0 {
		return &n.outside
	}
	return &n.frames[len(n.frames)-1]
}

// enter takes the next token; rest are those after it.
func (n *nesting) enter(t hclsyntax.Token, rest hclsyntax.Tokens) *fault {
	top := n.top()
	switch {
	case t.Type == hclsyntax.TokenComma,
		t.Type == hclsyntax.TokenNewline && (top == &n.outside || top.closer == hclsyntax.TokenCBrace):
		top.operators = 0
	case t.Type == hclsyntax.TokenNumberLit && !shortNumber(string(t.Bytes)):
		return faultf("write a shorter one", "the number is too long")
	case t.Type == hclsyntax.TokenQuotedLit, t.Type == hclsyntax.TokenStringLit:
		if top.literals++; top.literals > maxLiterals {
			return faultf(`put it into a file of its own and write file("path")`, "the string has more than %d lines, or signs like $", maxLiterals)
		}
	case len(n.frames) > 0 && t.Type == top.closer:
		n.directives -= top.directives
		n.frames = n.frames[:len(n.frames)-1]
	}
	if slices.Contains(operators, t.Type) {
		if top.operators++; top.operators > maxChain {
			return faultf("split it", "the expression has more than %d operators", maxChain)
		}
	}
	if t.Type == hclsyntax.TokenTemplateControl && len(rest) > 0 {
		n.direct(top, string(rest[0].Bytes))
	}
	if closer, ok := closers[t.Type]; ok {
		n.frames = append(n.frames, frame{closer: closer})
	}
	if len(n.frames)+n.directives > maxDepth {
		return faultf("flatten it, or close what is open", "blocks, brackets and quotes are nested more than %d deep", maxDepth)
	}
	return nil
}

// direct counts the open directives of a template.
func (n *nesting) direct(f *frame, keyword string) {
	switch keyword {
	case "if", "for":
		f.directives++
		n.directives++
	case "endif", "endfor":
		if f.directives > 0 {
			f.directives--
			n.directives--
		}
	}
}

// shortNumber reports whether a number is short, also when written without an exponent.
func shortNumber(text string) bool {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	return len(text) <= maxNumber && len(strings.TrimLeft(exponent, "+-0")) <= 3
}
