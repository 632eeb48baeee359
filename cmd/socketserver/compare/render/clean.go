package render

import (
	"reflect"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

// cleaned returns a copy of r in which nothing can act on a terminal: a part of the report comes from
// outside, as the last log line of a server. All strings are cleaned at once, so that no writer can
// forget one.
func cleaned(r *result.Report) *result.Report {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), func(s string) string {
		return strings.ReplaceAll(text.Line(s), "\t", `\t`)
	})
	return &c
}

// rewrite applies visible to all strings below v, and makes nil slices and maps empty ones. Slices
// and maps are replaced, so that the original of v does not change.
func rewrite(v reflect.Value, visible func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(visible(v.String()))
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
