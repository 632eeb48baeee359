package config

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Loops and functions make large values of small sources: a function is called with the result of another
// one, and a loop runs inside a loop. What they make is counted as what is written is: text by its bytes, a
// number by its exponent, and every element.
const maxMade = 4 << 20 // of all files

// take counts what a loop or a function has made.
func (g *guard) take(size float64) *fault {
	f := g.fits(size)
	if f == nil {
		g.made += int(size)
	}
	return f
}

// fits refuses to make so much.
func (g *guard) fits(size float64) *fault {
	if size > float64(maxMade-g.made) {
		return faultf("make less of it with loops and functions", "the expressions of the configuration make more than %d MiB", maxMade>>20)
	}
	return nil
}

// size returns what a value counts, and of one that is too large that it is.
func size(v cty.Value) float64 { return float64(sizeOf(v, maxMade)) }

func sizeOf(v cty.Value, limit int) int {
	switch {
	case !v.IsKnown() || v.IsNull():
		return 1
	case v.Type() == cty.String:
		return 1 + len(v.AsString())
	case v.Type() == cty.Number:
		return 1 + max(v.AsBigFloat().MantExp(nil), -v.AsBigFloat().MantExp(nil))
	case !v.CanIterateElements():
		return 1
	}
	n := 1
	for it := v.ElementIterator(); n <= limit && it.Next(); {
		key, element := it.Element()
		if key.Type() == cty.String && !v.Type().IsSetType() {
			n += len(key.AsString())
		}
		n += sizeOf(element, limit-n)
	}
	return n
}

// A metered expression has its values counted. After an error or too large a value a loop does not go on: the
// panic with [hcl.Diagnostics] ends the evaluation.
type metered struct {
	hclsyntax.Expression
	guard *guard
}

// Value returns the value of the expression.
func (m metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := m.Expression.Value(ctx)
	if f := m.guard.take(size(v)); f != nil {
		diags = diags.Append(&hcl.Diagnostic{Severity: hcl.DiagError, Subject: m.Range().Ptr(), Extra: f})
	}
	if diags.HasErrors() {
		panic(diags)
	}
	return v, diags
}

// evaluate returns the value of an expression that [meter] has walked.
func evaluate(e hclsyntax.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	defer func() {
		switch why := recover().(type) {
		case nil:
		case hcl.Diagnostics:
			diags = why
		default:
			panic(why)
		}
	}()
	return e.Value(ctx)
}

// A meter meters what is evaluated more than once, and what is made of that.
type meter struct{ guard *guard }

// Enter does nothing.
func (meter) Enter(hclsyntax.Node) hcl.Diagnostics { return nil }

// Exit meters the parts of a loop and of a text.
func (m meter) Exit(n hclsyntax.Node) hcl.Diagnostics {
	switch e := n.(type) {
	case *hclsyntax.ForExpr:
		for _, part := range []*hclsyntax.Expression{&e.CollExpr, &e.KeyExpr, &e.ValExpr, &e.CondExpr} {
			if *part != nil {
				*part = metered{*part, m.guard}
			}
		}
	case *hclsyntax.TemplateExpr:
		for i, part := range e.Parts {
			if _, written := part.(*hclsyntax.LiteralValueExpr); !written {
				e.Parts[i] = metered{part, m.guard}
			}
		}
	}
	return nil
}

// bounded returns f with its results counted. It is not called where they would be too large.
func (g *guard) bounded(name string, f function.Function) function.Function {
	check := func(args []cty.Value) error {
		for _, a := range args {
			if !a.IsWhollyKnown() {
				return nil // it is called when its arguments are known
			}
		}
		if estimate := growing[name]; estimate != nil {
			if f := g.fits(estimate(args)); f != nil {
				return f
			}
		}
		if name == "jsondecode" {
			if f := checkDepth(args[0].AsString()); f != nil {
				return f
			}
		}
		return nil
	}
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			t, err := f.ReturnTypeForValues(args)
			return t, ofCall(err)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return v, ofCall(err)
			}
			if f := g.take(size(v)); f != nil {
				return v, f
			}
			return v, nil
		},
	})
}

// checkDepth refuses JSON that is nested too deep, as cty's decoder recurses without a limit. What else is wrong
// with the text is not its concern.
func checkDepth(text string) *fault {
	depth := 0
	for d := json.NewDecoder(strings.NewReader(text)); depth <= maxDepth; {
		t, err := d.Token()
		if err != nil {
			return nil
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
	return faultf("flatten it", "the JSON is nested more than %d deep", maxDepth)
}

// ofCall returns the error of a call, without the stack of a panic.
func ofCall(err error) error {
	if errors.As(err, new(function.PanicError)) {
		return faultf("check its arguments", "it is not defined for these arguments")
	}
	return err
}
