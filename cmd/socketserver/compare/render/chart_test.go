package render

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestChartsHaveABarAndAnInterval(t *testing.T) {
	l := result.Load{Results: []result.Measured{
		{
			Subject: "a", Rate: 50, Rounds: []result.Round{{Rate: 40, Requests: 1000}, {Rate: 50}, {Rate: 100}},
			Latency: result.Latency{P50: time.Millisecond, P99: 8 * time.Millisecond},
		},
		{Subject: "b", Rate: 20, Rounds: []result.Round{{Rate: 20, Requests: 10}}, Latency: result.Latency{P50: 2 * time.Millisecond, P99: time.Second}},
		{Subject: "c", Problem: "it ended"},
	}}
	r := &result.Report{Subjects: []result.Subject{{Name: "b", Form: result.Plugin}, {Name: "c", Form: "\">"}}}
	require.Equal(t, [][]chartRow{
		{{"a", "50/s", result.Compiled, 50, 40, 100}, {"b", "20/s", result.Plugin, 20, 20, 20}, {"c", "-", result.Compiled, 0, 0, 0}},
		{{"a", "1 ms to 8 ms", result.Compiled, 25, 25, 100}, {"b", "2 ms", result.Plugin, 50, 50, 50}, {"c", "-", result.Compiled, 0, 0, 0}},
	}, [][]chartRow{charts(r, l)[0].Rows, charts(r, l)[1].Rows}, "ten answers have no p99")
	require.Empty(t, charts(r, result.Load{Results: l.Results[2:]}), "nothing was measured")
}

func TestChartAsText(t *testing.T) {
	drawn := printer{markdown: true}.chart(&chart{Rows: []chartRow{{"a", "50/s", "", 50, 25, 100}, {"long", "2/s", "", 1, 1, 1}, {"c", "-", "", 0, 0, 0}}})
	require.Equal(t, "    a     50/s "+strings.Repeat("█", 17)+strings.Repeat("▒", 16)+strings.Repeat("─", 31)+"┤\n    long   2/s █\n    c        -\n", drawn)
}
