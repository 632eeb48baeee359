package render

import (
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

// cleaned returns a copy of r in which nothing can act on a terminal: much of a report
// comes from outside, as what a server logged before it died. That is done to all of it at
// once, so that no place which shows a piece of it can forget to.
func cleaned(r *result.Report) *result.Report {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), func(s string) string {
		return strings.ReplaceAll(text.Line(s), "\t", `\t`)
	})
	return &c
}

// rewrite gives all strings below v to visible, makes nil slices and maps empty ones, and 0 of
// numbers that are none, which JSON can not say and nothing can be drawn by. Slices and
// maps are replaced, so that what v was copied from stays as it is.
func rewrite(v reflect.Value, visible func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(visible(v.String()))
	case reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			v.SetFloat(0)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			rewrite(v.Field(i), visible)
		}
	case reflect.Slice:
		made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(made, v)
		for i := range made.Len() {
			rewrite(made.Index(i), visible)
		}
		v.Set(made)
	case reflect.Map:
		made := reflect.MakeMap(v.Type())
		for entry := v.MapRange(); entry.Next(); {
			key := reflect.New(v.Type().Key()).Elem()
			key.Set(entry.Key())
			rewrite(key, visible)
			made.SetMapIndex(key, entry.Value())
		}
		v.Set(made)
	}
}
