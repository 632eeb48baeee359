package render

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// WritePair writes two runs beside each other, as text, markdown or html.
func WritePair(w io.Writer, first, second *result.Report, format string, o Options) error {
	first, second = cleaned(first), cleaned(second)
	v := &view{Report: &result.Report{Settings: second.Settings}, Compared: "Two runs. 1: " + compared(first) + " 2: " + compared(second)}
	v.Summary.Head = []string{"", "load", "rate 1", "rate 2", "ratio", "p99 1", "p99 2"}
	known := false
	for _, c := range result.Changes(first, second) {
		ratio := "-"
		if c.Known {
			ratio, known = c.Ratio.String(), true
		}
		if c.Verdict == result.More || c.Verdict == result.Less {
			word := map[string]string{result.More: "more", result.Less: "fewer"}[c.Verdict]
			v.Advice = append(v.Advice, result.Advice{Text: fmt.Sprintf("%s answers %s requests in the second run (%s: %s).", c.Subject, word, c.Load, ratio)})
		}
		v.Summary.Rows = append(v.Summary.Rows, []string{
			c.Subject, heads[c.Load], c.First.Text("rate"), c.Second.Text("rate"), ratio, c.First.Text("p99"), c.Second.Text("p99"),
		})
	}
	switch {
	case !known:
		v.Advice = []result.Advice{{Text: "Nothing can be compared: no subject has enough answers under the same load in both runs."}}
	case len(v.Advice) == 0:
		v.Advice = []result.Advice{{Text: "No rate is certain to differ by more than a tenth."}}
	}
	if a, b := first.Environment, second.Environment; a.CPU != b.CPU || a.Cores != b.Cores || a.Kernel != b.Kernel {
		v.Summary.Notes = append(v.Summary.Notes, "The runs are of different machines.")
	}
	v.Summary.Notes = append(v.Summary.Notes, "short has a connection for each request, long one for each client; ± is the 95 % interval.")
	var b bytes.Buffer
	var err error
	switch format {
	case "html":
		err = writePage(&b, v)
	case "text", "markdown":
		err = printer{color: o.Color, markdown: format == "markdown"}.execute(&b, "pair", v)
	default:
		return fmt.Errorf("two runs are shown as text, markdown or html, not as %s", format)
	}
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write the runs as %s: %w", format, err)
	}
	return nil
}
