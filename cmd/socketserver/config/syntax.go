package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/go-socketserver/socketserver/internal/text"
)

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
	if !diags.HasErrors() {
		return src, file.Body.(*hclsyntax.Body)
	}
	if f := foreign(src); f != nil {
		p.add(hcl.Range{Filename: name}, f)
		return src, nil
	}
	for _, d := range essential(diags) {
		if place, f := cause(src, d); f != nil {
			p.add(place, f)
			continue
		}
		p.diagnose("", hcl.Diagnostics{d})
	}
	return src, nil
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

// blockNames are the blocks of the grammar, each with those it is allowed in; "" is the file.
var blockNames = map[string][]string{
	"server": {""}, "defaults": {""}, "plugins": {""}, "log": {""}, "plugin": {"", "server"},
	"transport": {"server"}, "concurrency": {"server"}, "handler": {"server"},
	"limits": {"server", "defaults"}, "timeouts": {"server", "defaults"},
}

// foreign recognizes files of other formats and programs by how they begin.
func foreign(src []byte) *fault {
	var line string
	for l := range strings.Lines(string(src)) {
		if line = strings.TrimSpace(l); line != "" && line[0] != '#' && !strings.HasPrefix(line, "//") {
			break
		}
	}
	const next = `write blocks, as in server "echo" { ... }, which has the blocks transport "tcp" { address = "localhost:9000" }, concurrency "threading" {} and handler "echo" {}, each in a line of its own`
	word, rest, _ := strings.Cut(line, " ")
	_, known := blockNames[strings.TrimRight(word, "{:")]
	switch {
	case line == "", strings.HasPrefix(line, "/*"):
		return nil
	case line[0] == '[' && strings.HasSuffix(line, "]") && !strings.ContainsAny(line, `{"`):
		return faultf(next, "the file is INI or TOML instead of HCL")
	case line[0] == '{' || line[0] == '[':
		return faultf(next, "the file is JSON instead of HCL")
	case line[0] == '<':
		return faultf(next, "the file is XML instead of HCL")
	case line == "---", strings.HasSuffix(word, ":") && !strings.Contains(line, "{"):
		return faultf(next, "the file is YAML instead of HCL")
	case known, strings.HasPrefix(strings.TrimSpace(rest), "="), text.Nearest(word, names(blockNames)) != "":
		return nil
	}
	return faultf(next, "this is no configuration of socketserver, as it begins with %.40q", word)
}

// cause finds the mistake that a syntax error commonly comes from; nil: none is known.
func cause(src []byte, d *hcl.Diagnostic) (hcl.Range, *fault) {
	offset := d.Subject.Start.Byte
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	line, following, _ := bytes.Cut(src[start:], []byte("\n"))
	behind := bytes.TrimRight(src[offset:start+len(line)], "\r")
	header := strings.TrimSpace(string(line))
	switch {
	case d.Summary == "Attribute redefined":
		return hcl.Range{}, nil
	case d.Summary == "Unclosed configuration block":
		return unclosed(src, d.Subject)
	case d.Summary == "Invalid multi-line string":
		return *d.Subject, faultf(`close it with " in the same line; \n stands for a newline`, "the text has no end")
	case d.Summary == "Invalid single-argument block definition" && len(behind) == 0:
		return *d.Subject, faultf("write } at the end of this line, or the attribute in a line of its own", "the block has no }")
	case d.Summary == "Invalid block definition" && bytes.HasPrefix(bytes.TrimSpace(following), []byte("{")):
		return *d.Subject, faultf(fmt.Sprintf("write %s {", header), "the { of a block belongs to the line of its name")
	case d.Summary == "Argument or block definition required" && bytes.HasPrefix(behind, []byte("}")):
		return *d.Subject, faultf("remove it, or the one that closes a block too early", "there is no block that this } could close")
	case bytes.IndexAny(behind, ";,") == 0 && len(bytes.Trim(behind[1:], " }")) == 0:
		return *d.Subject, faultf("remove it", "no line ends with %q", behind[:1])
	}
	for _, m := range mistakes() {
		groups := m.pattern.FindSubmatchIndex(line)
		if groups == nil || bytes.Count(line[:groups[2]], []byte(`"`))%2 != 0 { // within text
			continue
		}
		var texts [3]string
		for i := range min(len(groups)/2, len(texts)) {
			if groups[2*i] >= 0 {
				texts[i] = strings.TrimSpace(string(line[groups[2*i]:groups[2*i+1]]))
			}
		}
		if f := m.explain(texts[1], texts[2]); f != nil {
			return at(d.Subject.Filename, src, start+groups[2]), f
		}
	}
	return hcl.Range{}, nil
}

// A mistake is recognized by the line of an error. explain gets the first two groups and may
// return nil.
type mistake struct {
	pattern *regexp.Regexp
	explain func(first, second string) *fault
}

// mistakes are compiled when they are needed, as the others of a program are at each start.
var mistakes = sync.OnceValue(func() []mistake {
	assign := func(name, value string) *fault {
		value = strings.TrimRight(value, " \t\r,;")
		if _, block := blockNames[name]; block {
			return faultf(fmt.Sprintf("write %s { ... }", strings.TrimSpace(name+" "+value)), "%s is a block", name)
		}
		if value == "" {
			value = "..."
		}
		return faultf(fmt.Sprintf("write %s = %s", name, literal(value)), "an attribute is set with =")
	}
	return []mistake{
		{regexp.MustCompile(`[=\s]((?:['‘’“”])([^'‘’“”"]*)['‘’“”])`), func(_, text string) *fault {
			return faultf("write "+strconv.Quote(text), "text needs double quotation marks")
		}},
		{regexp.MustCompile(`^\s*([\w-]+)\s*((?:\s*"[^"]*")*\s*[:=]\s*(?:"[^"]*"\s*)?\{)\s*$`), func(name, labels string) *fault {
			if _, block := blockNames[name]; !block {
				return nil
			}
			labels = strings.Join(strings.Fields(strings.NewReplacer(":", " ", "=", " ").Replace(labels)), " ")
			return faultf(fmt.Sprintf("write %s %s", name, labels), "%s is a block", name)
		}},
		{regexp.MustCompile(`(?:^|\{)\s*([\w-]+)\s*(?:[:=]=|:|=>)\s*([^{}]*)`), assign},
		{regexp.MustCompile(`(?:^|\{)\s*([\w-]+)\s+("[^"]*"|\d+)\s*(?:\}\s*)?$`), assign},
		{regexp.MustCompile(`(?:^|\{)\s*[\w-]+\s*=\s*([^\s"{}\[\](),#]+)(\(?)`), func(text, call string) *fault {
			if call != "" || literal(text) == text {
				return nil
			}
			return faultf("write "+strconv.Quote(text), "text needs quotation marks")
		}},
	}
})

// literal is a value as it is written in a file, in quotation marks where it needs them.
func literal(text string) string {
	value, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	if text == "..." || !diags.HasErrors() && len(value.Variables()) == 0 {
		return text
	}
	return strconv.Quote(strings.Trim(text, `"'`))
}

// unclosed finds where the } of a block is missing: before the first block that cannot be
// inside it.
func unclosed(src []byte, open *hcl.Range) (hcl.Range, *fault) {
	type frame struct {
		name string
		line int
	}
	var frames []frame // of the braces that are open
	tokens, _ := hclsyntax.LexConfig(src, open.Filename, hcl.InitialPos)
	begins, next := true, frame{name: "{"}
	for i, t := range tokens {
		parents, block := blockNames[string(t.Bytes)]
		if begins && block && isHeader(tokens[i+1:]) {
			top := frame{}
			if len(frames) > 0 {
				top = frames[len(frames)-1]
			}
			if !slices.Contains(parents, top.name) && top.line > 0 {
				return t.Range, faultf("write one before this line", "%s of line %d has no }", top.name, top.line)
			}
			next.name = string(t.Bytes)
		}
		switch begins = false; t.Type {
		case hclsyntax.TokenNewline, hclsyntax.TokenComment:
			begins = true
		case hclsyntax.TokenOBrace:
			next.line = t.Range.Start.Line
			frames, next = append(frames, next), frame{name: "{"}
		case hclsyntax.TokenCBrace:
			frames = frames[:max(0, len(frames)-1)]
		}
	}
	return *open, faultf("write one at its end", "the block has no }")
}

// isHeader reports whether tokens are labels and a brace.
func isHeader(tokens hclsyntax.Tokens) bool {
	labels := []hclsyntax.TokenType{hclsyntax.TokenIdent, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote}
	i := slices.IndexFunc(tokens, func(t hclsyntax.Token) bool { return !slices.Contains(labels, t.Type) })
	return i >= 0 && tokens[i].Type == hclsyntax.TokenOBrace
}
