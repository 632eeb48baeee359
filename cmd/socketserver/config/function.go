package config

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// standard are cty's functions, but for those that make something large of little and
// that a list of servers does not need: setproduct, formatlist, indent.
var standard = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "int": stdlib.IntFunc,
	"log": stdlib.LogFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,
	"pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

	"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc,
	"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "regexreplace": stdlib.RegexReplaceFunc,
	"replace": stdlib.ReplaceFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "strrev": stdlib.ReverseFunc,
	"substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
	"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

	"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
	"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
	"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
	"hasindex": stdlib.HasIndexFunc, "index": stdlib.IndexFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc,
	"lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
	"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

	"csvdecode": stdlib.CSVDecodeFunc, "formatdate": stdlib.FormatDateFunc, "jsondecode": stdlib.JSONDecodeFunc,
	"jsonencode": stdlib.JSONEncodeFunc, "timeadd": stdlib.TimeAddFunc,
}

// multiplies are the functions whose result may be as large as the product of their arguments.
var multiplies = map[string]bool{"format": true, "join": true, "regexreplace": true, "replace": true}

// maxArguments bounds what a function may be given, in units of the budget, as some take
// more than linear time.
const maxArguments = 64 << 10

// functions are those that a file may call.
func (b *budget) functions(s *source) map[string]function.Function {
	all := map[string]function.Function{"env": b.limited("env", env), "file": b.limited("file", file(s))}
	for name, f := range standard {
		all[name] = b.limited(name, f)
	}
	return all
}

// limited makes a function pay for what it does.
func (b *budget) limited(name string, f function.Function) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := b.admit(name, args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result, err := f.Call(args)
			if err == nil && !b.spend(size(result)) {
				err = errBudget
			}
			return result, err
		},
	})
}

// padded is a verb of format that makes more than 999 characters by itself.
var padded = regexp.MustCompile(`%[^%a-zA-Z]*[0-9]{4}`)

// admit is asked before a function looks at its arguments.
func (b *budget) admit(name string, args []cty.Value) error {
	var first, rest int
	for i, a := range args {
		if i == 0 {
			first = size(a)
		} else {
			rest += size(a)
		}
	}
	if first+rest > maxArguments {
		return faultf("give it less", "the arguments are too large")
	}
	price := first + rest
	if multiplies[name] {
		price += (first - each + 1) * rest
	}
	if !b.spend(price) {
		return errBudget
	}
	for _, a := range args {
		if !a.IsKnown() || a.IsNull() || a.Type() != cty.String {
			continue
		}
		if name == "format" && padded.MatchString(a.AsString()) {
			return faultf("use a width and precision of at most 999", "the format pads too much")
		}
		if name == "jsondecode" && !shallow(a.AsString()) {
			return faultf("flatten it, or write shorter numbers", "the JSON is nested more than %d deep, or has too long a number", maxDepth)
		}
	}
	return nil
}

// shallow says whether JSON is within the bounds of [guard]. Other faults are for the decoder to find.
func shallow(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return true
		}
		switch t := t.(type) {
		case json.Number:
			if !shortNumber(string(t)) {
				return false
			}
		case json.Delim:
			depth--
			if t == '[' || t == '{' {
				depth += 2
			}
		}
		if depth > maxDepth {
			return false
		}
	}
}

var env = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "name", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		name := args[0].AsString()
		value, ok := os.LookupEnv(name)
		if !ok {
			return cty.NilVal, faultf("set it before starting, or write the value here", "the environment variable %q is not set", name)
		}
		if !utf8.ValidString(value) {
			return cty.NilVal, faultf("set it to text", "the environment variable %q is not UTF-8", name)
		}
		return cty.StringVal(value), nil
	},
})

// maxFile is what file() reads at most, in bytes.
const maxFile = 64 << 10

// file reads a text file that lies relative to s.
func file(s *source) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := s.beside(args[0].AsString())
			text, f := readText(path)
			if f != nil {
				return cty.NilVal, faultf(f.next, "%s: %s", path, f.message)
			}
			return cty.StringVal(text), nil
		},
	})
}

func readText(path string) (string, *fault) {
	info, err := os.Stat(path)
	if err != nil {
		return "", pathFault(err)
	}
	if !info.Mode().IsRegular() { // a pipe would wait, a device never end
		return "", faultf("name a text file", "this is not a regular file")
	}
	text, err := readBounded(path, maxFile+1)
	switch {
	case err != nil:
		return "", pathFault(err)
	case len(text) > maxFile:
		return "", faultf("make it smaller", "the file is larger than 64 KiB")
	case !utf8.Valid(text):
		return "", faultf("save it as UTF-8", "the file is not UTF-8 text")
	}
	return string(text), nil
}
