package render

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestPlacesOfAPace(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Ranks = 200, []result.Ranking{
		{Load: result.Connections, Metric: "p99", Places: [][]string{{"threading", "preforking"}, {"forking-reuse"}}},
	}
	require.Contains(t, notes(r, r.Loads[0]), "Places are by p99, of the subjects that kept the pace.")
	require.Equal(t, "3", places(r, result.Connections)["forking-reuse"])
}

// The sign > is explained once for all subjects.
func TestLonger(t *testing.T) {
	r := readReport(t)
	all := notes(r, r.Loads[0])
	require.Contains(t, all, "A latency with > is a lower bound, as requests failed or were still waiting when a round ended: 47 with forking and 5 with python-forking.")
	require.NotContains(t, notes(r, r.Loads[1]), "longer")
	for _, note := range all {
		require.NotRegexp(t, "^forking:.*waiting", note)
	}
}

// The sign = is explained.
func TestEqualIsExplained(t *testing.T) {
	r := readReport(t)
	table := ratioTable(r, r.Loads[0])
	require.Equal(t, []string{"In brackets, the 95 % interval. Those with = are not certain to differ from threading by more than a tenth."}, table.notes)
}

func TestCompared(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Settings.Server = 2000, "web"
	require.Equal(t, `handler "timestamp" over tcp (server "web"): 9 subjects, 64 clients, 10 s of load each `+
		`in 5 rounds, 2 k/s at a fixed pace, latencies from when a request was due. forking-reuse is forking, max_requests = 100.`, compared(r))
}
