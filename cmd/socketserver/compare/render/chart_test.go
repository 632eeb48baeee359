package render

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestChartsHaveABarAndAnInterval(t *testing.T) {
	l := result.Load{Results: []result.Measured{
		{Subject: "a", Rate: 50, Rounds: []result.Round{{Rate: 40, Requests: 1000}, {Rate: 50}, {Rate: 100}},
			Latency: result.Latency{P50: time.Millisecond, P99: 8 * time.Millisecond}},
		{Subject: "b", Rate: 20, Rounds: []result.Round{{Rate: 20, Requests: 10}}, Latency: result.Latency{P50: 2 * time.Millisecond, P99: time.Second}},
		{Subject: "c", Problem: "it ended"},
	}}
	r := &result.Report{Subjects: []result.Subject{{Name: "b", Form: result.Plugin}, {Name: "c", Form: "\">"}}}
	require.Equal(t, [][]chartRow{
		{{"a", "50/s", result.Compiled, 0.4, 1}, {"b", "20/s", result.Plugin, 0.2, 0.2}, {"c", unknown, result.Compiled, 0, 0}},
		{{"a", "1 ms to 8 ms", result.Compiled, 0.25, 1}, {"b", "2 ms", result.Plugin, 0.5, 0.5}, {"c", unknown, result.Compiled, 0, 0}},
	}, [][]chartRow{charts(r, l)[0].Rows, charts(r, l)[1].Rows}, "ten answers have no p99")
	require.Empty(t, charts(r, result.Load{Results: l.Results[2:]}), "nothing was measured")
}

func TestChartAsText(t *testing.T) {
	c := chart{Rows: []chartRow{{"a", "50/s", "", 0.4, 1}, {"long", "2/s", "", 0.01, 0.01}, {"c", unknown, "", 0, 0}}}
	for want, o := range map[string]Options{
		"  a     50/s ████░░░░░░\n  long   2/s █\n  c        -\n": {Width: 23},
		"  a     50/s ####------\n  long   2/s #\n  c        -\n": {Width: 23, ASCII: true},
	} {
		var b bytes.Buffer
		p := &page{bufio.NewWriter(&b), o}
		p.chart(c, "  ")
		require.NoError(t, p.Flush())
		require.Equal(t, want, b.String())
	}
}
