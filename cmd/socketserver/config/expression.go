package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// budget bounds what all expressions of a configuration may make. A short expression can
// stand for a huge value: a for inside a for over a range, a text that every level
// doubles. So what multiplies is paid for before it is made: every turn of a for by the
// length of its source and by the variables that it mentions, every function call by its
// arguments and its result. A unit is about a byte.
type budget struct{ spent int }

const maxSpent = 2 << 20

var errBudget = faultf("make its lists and texts smaller", "the expression makes too much")

// spend pays for n units. It returns false once there is nothing left.
func (b *budget) spend(n int) bool {
	if n < 0 || n > maxSpent || b.spent+n > maxSpent {
		b.spent = maxSpent + 1 // nothing more, not even a little
		return false
	}
	b.spent += n
	return true
}

// meter makes every for of a body pay.
func (b *budget) meter(body *hclsyntax.Body) {
	var loops []*hclsyntax.ForExpr
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		if loop, ok := n.(*hclsyntax.ForExpr); ok {
			loops = append(loops, loop)
		}
		return nil
	})
	for _, l := range loops { // the outer ones first, as a metered expression hides its variables
		for _, e := range []*hclsyntax.Expression{&l.KeyExpr, &l.ValExpr, &l.CondExpr} {
			if *e != nil {
				*e = &metered{*e, hclsyntax.Variables(*e), b}
			}
		}
	}
}

// metered is an expression that is evaluated at every turn of a for.
type metered struct {
	hclsyntax.Expression
	variables []hcl.Traversal // one for each time that one is mentioned
	budget    *budget
}

func (m *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	source := m.Range()
	price := each + 8*(source.End.Byte-source.Start.Byte)
	for _, t := range m.variables {
		v, _ := t.TraverseAbs(ctx)
		price = min(price+size(v), maxSpent+1)
	}
	if !m.budget.spend(price) {
		return cty.DynamicVal, hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: errBudget.message, Detail: errBudget.next, Subject: &source,
		}}
	}
	return m.Expression.Value(ctx)
}

// each is what a value takes by itself.
const each = 16

// size is what a value takes, roughly, in bytes.
func size(v cty.Value) int {
	switch {
	case !v.IsKnown() || v.IsNull():
		return each
	case v.Type() == cty.String:
		return each + len(v.AsString())
	case v.Type() == cty.Number:
		n := v.AsBigFloat()
		exponent := n.MantExp(nil)
		return each + int(n.MinPrec())/3 + max(exponent, -exponent)/3 // its digits, written out
	case !v.CanIterateElements():
		return each
	}
	total := each
	for it := v.ElementIterator(); it.Next() && total <= maxSpent; {
		k, element := it.Element()
		if k.Type() == cty.String {
			total += len(k.AsString())
		}
		total += size(element)
	}
	return total
}
