package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

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

// essential drops syntax errors that only follow from others: all but the first of a line, all after
// an unclosed quote, where text and configuration swap places, and where the parser takes the end of
// a block for that of another one which began in its line.
func essential(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
	diags = slices.CompactFunc(diags, func(d, before *hcl.Diagnostic) bool {
		return d.Subject.Start.Line == before.Subject.Start.Line ||
			d.Summary == "Invalid single-argument block definition" && before.Summary == "Argument definition required"
	})
	if i := slices.IndexFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == "Invalid multi-line string" }); i >= 0 {
		diags = diags[:i+1]
	}
	return diags
}

// blockNames are the blocks of the grammar, each with those it is allowed in; "" is the file.
var blockNames = map[string][]string{
	"server": {""}, "defaults": {""}, "plugins": {""}, "log": {""}, "admin": {""}, "reload": {""}, "metrics": {""}, "page": {""}, "cluster": {""},
	"plugin": {"", "server"}, "option": {"plugin"}, "restart": {"plugin"}, "replace": {"plugin"}, "recycle": {"plugin"},
	"transport": {"server"}, "tls": {"transport", "cluster"}, "proxy_protocol": {"transport"}, "concurrency": {"server"}, "handler": {"server"},
	"access": {"server", "defaults"}, "timeouts": {"server", "defaults"}, "state": {"server", "defaults"}, "process": {"server", "defaults"},
	"limits": {"server", "defaults", "process", "plugin"}, "sandbox": {"process", "plugin"},
}

// formats are recognized by the first line that is no comment.
var formats = []struct{ pattern, name string }{
	{`^\[[^{"]*\]$`, "INI or TOML"},
	{`^[{[]`, "JSON"},
	{`^<`, "XML"},
	{`^---$|^[^ ]+:( [^{]*)?$`, "YAML"},
}

// foreign recognizes files of other formats and programs.
func foreign(src []byte) *fault {
	var line string
	for l := range strings.Lines(string(src)) {
		if line = strings.TrimSpace(l); line != "" && line[0] != '#' && !strings.HasPrefix(line, "//") {
			break
		}
	}
	const next = `write blocks, as in server "echo" { ... }, which has the blocks transport "tcp" { address = "localhost:9000" }, concurrency "threading" {} and handler "echo" {}, each in a line of its own`
	for _, f := range formats {
		if regexp.MustCompile(f.pattern).MatchString(line) {
			return faultf(next, "the file is %s instead of HCL", f.name)
		}
	}
	word, rest, _ := strings.Cut(line, " ")
	if line == "" || strings.HasPrefix(line, "/*") || strings.HasPrefix(strings.TrimSpace(rest), "=") ||
		text.Nearest(strings.TrimRight(word, "{:"), names(blockNames)) != "" {
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
		return *d.Subject, faultf(fmt.Sprintf("write %s {", bytes.TrimSpace(line)), "the { of a block belongs to the line of its name")
	case d.Summary == "Argument or block definition required" && bytes.HasPrefix(behind, []byte("}")):
		return *d.Subject, faultf("remove it, or the one that closes a block too early", "there is no block that this } could close")
	case bytes.IndexAny(behind, ";,") == 0 && len(bytes.Trim(behind[1:], " }")) == 0:
		return *d.Subject, faultf("remove it", "no line ends with %q", behind[:1])
	}
	for _, m := range mistakes {
		pattern := regexp.MustCompile(m.pattern) // here, as only errors need it
		groups := pattern.FindSubmatchIndex(line)
		if groups == nil || bytes.Count(line[:groups[2]], []byte(`"`))%2 != 0 { // within text
			continue
		}
		expand := func(template string) string { return string(pattern.Expand(nil, []byte(template), line, groups)) }
		return at(d.Subject.Filename, src, start+groups[2]), &fault{expand(m.message), expand(m.next)}
	}
	return hcl.Range{}, nil
}

// mistakes are recognized by the line of an error; the first one that matches counts. $1 is what is
// wrong, or its beginning.
var mistakes = []struct{ pattern, message, next string }{
	{`[=\s](['‘’“”]([^'‘’“”"]*)['‘’“”])`, "text needs double quotation marks", `write "$2"`},
	{`(/\*)[^*]*$`, "the comment has no end", "close it with */"},
	{`\{.*\b(transport|concurrency|handler|plugin|defaults|admin|access|limits|timeouts|state|process|sandbox|tls|proxy_protocol|option|restart|replace|recycle)(?:\s+"[^"]*")?\s*\{`, "the block $1 is in the line of another one", "write it in a line of its own"},
	{`^\s*(server|transport|concurrency|handler|plugin)\s*[:=]?\s*"?([\w-]*)"?\s*[:=]?\s*\{\s*$`, "$1 is a block", `write $1 "$2" {`},
	{`^\s*(server|transport|concurrency|handler|plugin)\s*[:=>]*\s*"?([\w-]+)"?[\s,;]*$`, "$1 is a block", `write $1 "$2" { ... }`},
	{`^\s*(defaults|plugins|log|admin|reload|metrics|page|cluster|access|limits|timeouts|state|process|sandbox|tls|proxy_protocol|restart|replace|recycle)\s*[:=>]*\s*\{?\s*$`, "$1 is a block", "write $1 { ... }"},
	{`(?:^|\{)\s*([\w-]+)\s*(?:[:=]=|:|=>|\s)\s*("[^"]*"|\d+|true|false)[\s},;]*$`, "an attribute is set with =", "write $1 = $2"},
	{`(?:^|\{)\s*([\w-]+)\s*(?:[:=]=|:|=>)\s*([^\s"{}]*[^\s"{},;])`, "an attribute is set with =", `write $1 = "$2"`},
	{`=\s*(?:true|false|null|\d+|"[^"]*"|\[[^\]]*\])(?:\s*[,;])?\s*([\w-]+)\s*=`, "a line has one attribute", "write each attribute in a line of its own"},
	{`^\s*([\w-]+)\s*$`, "$1 is neither an attribute nor a block", "write $1 = and its value, or remove it"},
	{`(?:^|\{)\s*[\w-]+\s*=\s*([\d.]*[A-Za-z_/:@][^\s"{}\[\](),#]*)(?:[\s,}#]|$)`, "text needs quotation marks", `write "$1"`},
}

// unclosed finds where the } of a block is missing: before the first block that cannot be
// inside it.
func unclosed(src []byte, open *hcl.Range) (hcl.Range, *fault) {
	var opened []hclsyntax.Token // the first one in the line of each open brace
	var first hclsyntax.Token
	begins := true
	tokens, _ := hclsyntax.LexConfig(src, open.Filename, hcl.InitialPos)
	for _, t := range tokens {
		if begins {
			first = t
		}
		begins = t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment
		switch t.Type {
		case hclsyntax.TokenOBrace:
			if parents, block := blockNames[string(first.Bytes)]; block && len(opened) > 0 {
				if top := opened[len(opened)-1]; !slices.Contains(parents, string(top.Bytes)) {
					return first.Range, faultf("write one before this line", "%s of line %d has no }", top.Bytes, top.Range.Start.Line)
				}
			}
			opened, first = append(opened, first), t
		case hclsyntax.TokenCBrace:
			opened = opened[:max(0, len(opened)-1)]
		}
	}
	return *open, faultf("write one at its end", "the block has no }")
}
