package render

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// cleaned returns a copy of r in which nothing can act on a terminal: much of a report
// comes from outside, as what a server logged before it died. That is done to all of it at
// once, so that no place which shows a piece of it can forget to.
func cleaned(r *result.Report) *result.Report {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), visible)
	return &c
}

// rewrite gives all strings below v to text, makes nil slices and maps empty ones, and 0 of
// numbers that are none, which JSON can not say and nothing can be drawn by. Slices and
// maps are replaced, so that what v was copied from stays as it is.
func rewrite(v reflect.Value, text func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(v.String()))
	case reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			v.SetFloat(0)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			rewrite(v.Field(i), text)
		}
	case reflect.Slice:
		made := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(made, v)
		for i := range made.Len() {
			rewrite(made.Index(i), text)
		}
		v.Set(made)
	case reflect.Map:
		made := reflect.MakeMap(v.Type())
		for entry := v.MapRange(); entry.Next(); {
			key := reflect.New(v.Type().Key()).Elem()
			key.Set(entry.Key())
			rewrite(key, text)
			made.SetMapIndex(key, entry.Value())
		}
		v.Set(made)
	}
}

// visible writes control characters, formatting characters and invalid UTF-8 as escapes.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case hidden(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// hidden says whether r does something else than to stand in its place.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
