package render

import (
	"bytes"
	_ "embed" // for the page and its style
	"html/template"
	"io"
	"sync"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	pageStyle string

	// pageTemplate is parsed on first use: every start of the command would pay for it.
	pageTemplate = sync.OnceValue(func() *template.Template {
		style := func() template.CSS { return template.CSS(pageStyle) }
		return template.Must(template.New("page").Funcs(template.FuncMap{"style": style}).Parse(pageSource))
	})
)

// writeHTML writes the page. The template escapes all that the view has.
func writeHTML(w io.Writer, r *result.Report, _ bool) error {
	var b bytes.Buffer // nothing is written if the template fails
	if err := pageTemplate().Execute(&b, newView(r)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
