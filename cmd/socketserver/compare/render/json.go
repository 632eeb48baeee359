package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"unicode/utf16"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/internal/text"
)

// writeJSON writes the report itself. Empty lists are lists, never null. Characters that a terminal
// would act on are escaped, which a JSON parser reads as the same text.
func writeJSON(w io.Writer, r *result.Report, _ bool) error {
	c := *r
	rewrite(reflect.ValueOf(&c).Elem(), func(s string) string { return s })
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(c); err != nil {
		return err
	}
	var out bytes.Buffer
	for _, char := range b.String() {
		switch {
		case !text.Block.Hides(char): // a newline belongs to the layout: in a string it is escaped
			out.WriteRune(char)
		default:
			for _, unit := range utf16.AppendRune(nil, char) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}
