package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/go-socketserver/socketserver/internal/text"
)

// block is a block being read, or a whole file.
type block struct {
	*reader
	source *source
	name   string // in errors, with a colon, as `server "x": transport "tcp": `
	at     hcl.Range
	body   *hclsyntax.Body
	first  map[string]hcl.Range // of the blocks that do not repeat
}

// attributes and blocks are the grammar of a block. A nil entry is reserved for a later
// version and refused by name.
type (
	attributes map[string]field
	blocks     map[string]*part
)

// part reads a nested block.
type part struct {
	read    func(*hclsyntax.Block)
	repeats bool
}

func once(read func(*hclsyntax.Block)) *part   { return &part{read: read} }
func repeat(read func(*hclsyntax.Block)) *part { return &part{read: read, repeats: true} }

func (b *block) problem(at hcl.Range, f *fault) {
	b.add(at, &fault{b.name + f.message, f.next})
}

// inner returns the block inside b with the header h.
func (b *block) inner(h *hclsyntax.Block) *block {
	name := b.name + h.Type
	for _, l := range h.Labels {
		name += fmt.Sprintf(" %q", l)
	}
	return &block{b.reader, b.source, name + ": ", h.DefRange(), h.Body, map[string]hcl.Range{}}
}

// place returns the place of an attribute's value, or of b if it is not set.
func (b *block) place(name string) hcl.Range {
	if a := b.body.Attributes[name]; a != nil {
		return a.Expr.Range()
	}
	return b.at
}

func (b *block) read(attributes attributes, blocks blocks) {
	for name, a := range b.body.Attributes {
		field, known := attributes[name]
		switch {
		case known && field == nil:
			b.problem(a.NameRange, notYet(name))
		case known:
			b.set(a, field)
		case blocks[name] != nil:
			b.problem(a.NameRange, faultf(fmt.Sprintf("write %s { ... }, without =", name), "%s is a block", name))
		default:
			b.problem(a.NameRange, unknown("attribute", name, attributes, blocks))
		}
	}
	meant := map[string]hcl.Range{} // by a mistyped word
	for _, h := range b.body.Blocks {
		part, known := blocks[h.Type]
		first, again := b.first[h.Type]
		_, isAttribute := attributes[h.Type]
		switch {
		case known && part == nil, isAttribute && attributes[h.Type] == nil:
			b.problem(h.TypeRange, notYet(h.Type))
		case isAttribute:
			b.problem(h.TypeRange, faultf(fmt.Sprintf("write %s = ...", h.Type), "%s is an attribute", h.Type))
		case !known:
			b.problem(h.TypeRange, unknown("block", h.Type, attributes, blocks))
			meant[text.Nearest(h.Type, names(blocks))] = h.DefRange()
		case again && !part.repeats:
			b.second(h, h.Type+" block", first)
		default:
			b.first[h.Type] = h.DefRange()
			part.read(h)
		}
	}
	maps.Copy(meant, b.first)
	maps.Copy(b.first, meant)
}

// second reports a block that is allowed once.
func (b *block) second(h *hclsyntax.Block, what string, first hcl.Range) {
	in := fmt.Sprintf("line %d", first.Start.Line)
	if first.Filename != b.source.name {
		in = where("", first)
	}
	b.problem(h.DefRange(), faultf("leave one of them", "there is a second %s; the first is in %s", what, in))
}

// set evaluates an attribute into a field.
func (b *block) set(a *hclsyntax.Attribute, set field) {
	v, diags := evaluate(a.Expr, b.source.context)
	if diags.HasErrors() {
		b.diagnose(b.name+a.Name+": ", diags)
		return
	}
	if f := set(v); f != nil {
		b.problem(a.Expr.Range(), &fault{a.Name + ": " + f.message, f.next})
	}
}

func (b *block) label(h *hclsyntax.Block, example string) (string, bool) {
	switch len(h.Labels) {
	case 1:
		return h.Labels[0], true
	case 0:
		b.problem(h.TypeRange, faultf(fmt.Sprintf("write it as in %s %q { ... }", h.Type, example), "%s has no name", h.Type))
	default:
		b.problem(h.LabelRanges[1], faultf("remove this one", "%s has more than one name", h.Type))
	}
	return "", false
}

// bare is inner for a block without labels.
func (b *block) bare(h *hclsyntax.Block) *block {
	if len(h.Labels) > 0 {
		b.problem(h.LabelRanges[0], faultf(fmt.Sprintf("write %s { ... }", h.Type), "%s has no name", h.Type))
	}
	return b.inner(h)
}

func notYet(name string) *fault {
	return faultf("remove it", "%s is not available yet", name)
}

// unknown is the fault of an attribute or block that is not in the grammar.
func unknown(what, name string, attributes attributes, blocks blocks) *fault {
	known := slices.Concat(
		slices.DeleteFunc(names(attributes), func(n string) bool { return attributes[n] == nil }),
		slices.DeleteFunc(names(blocks), func(n string) bool { return blocks[n] == nil }))
	return faultf(suggest(name, known), "there is no %s %q here", what, name)
}

// names returns the keys in order.
func names[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
