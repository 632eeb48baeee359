package config

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// growing are the functions that may return far more than they are given, with an estimate of the size of the
// result, which is never too low.
var growing = map[string]func(args []cty.Value) float64{
	"replace": func(args []cty.Value) float64 {
		s := args[0].AsString()
		return size(args[0]) + float64(strings.Count(s, args[1].AsString()))*size(args[2])
	},
	"regexreplace": func(args []cty.Value) float64 {
		groups := float64(strings.Count(args[2].AsString(), "$")) // each of which has at most all of the text
		return size(args[0]) + matches(args[1], args[0])*size(args[2]) + groups*size(args[0])
	},
	"regexall": func(args []cty.Value) float64 {
		return matches(args[0], args[1]) * float64(1+strings.Count(args[0].AsString(), "("))
	},
	"join": func(args []cty.Value) float64 {
		elements := 0
		for _, list := range args[1:] {
			elements += list.LengthInt()
		}
		return float64(elements) * size(args[0])
	},
	"indent": func(args []cty.Value) float64 {
		spaces, _ := args[0].AsBigFloat().Float64()
		return spaces * float64(1+strings.Count(args[1].AsString(), "\n"))
	},
	"format":     verbsOf,
	"formatlist": verbsOf,
	"setproduct": func(args []cty.Value) float64 {
		product := float64(len(args))
		for _, set := range args {
			if set.CanIterateElements() {
				product *= float64(set.LengthInt())
			}
		}
		return product
	},
}

// matches returns the number of matches of a regular expression, and 0 for one that is not valid.
func matches(pattern, text cty.Value) float64 {
	r, err := regexp.Compile(pattern.AsString())
	if err != nil {
		return 0
	}
	return float64(len(r.FindAllStringIndex(text.AsString(), -1)))
}

// verb is a verb of format, up to its letter. It is compiled on first use, as workers have no use for it.
var verb = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[-+# 0]*(\d*)(?:\.(\d*))?`) })

// verbsOf is for a text with verbs, and for a list of as many texts as the longest argument has elements.
func verbsOf(args []cty.Value) float64 {
	texts, longest := 1.0, 0.0
	for _, a := range args[1:] {
		if longest = max(longest, size(a)); a.CanIterateElements() {
			texts = max(texts, float64(a.LengthInt()))
		}
	}
	each := size(args[0])
	for _, v := range verb().FindAllStringSubmatch(args[0].AsString(), -1) {
		width, _ := strconv.ParseFloat("0"+v[1], 64)
		precision, _ := strconv.ParseFloat("0"+v[2], 64)
		each += width + precision + longest/texts
	}
	return texts * each
}
