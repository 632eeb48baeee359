package render

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

func TestAnswers(t *testing.T) {
	l := result.Load{Kind: result.Datagrams, Results: []result.Measured{
		{Subject: "a", Rate: 1000}, {Subject: "b", Rate: 1100}, {Subject: "c", Rate: 10},
	}}
	for want, places := range map[string][][]string{
		"a alone has a place, with 1 k/s; without a place, see the warnings: b and c":        {{"a"}},
		"a and b share a place, with 1 k/s to 1.1 k/s; without a place, see the warnings: c": {{"a", "b"}},
		"b in the first place with 1.1 k/s, c in the last with 10/s":                         {{"b"}, {"a"}, {"c"}},
		"a and b share the first place with 1 k/s to 1.1 k/s, c in the last with 10/s":       {{"a", "b"}, {"c"}},
	} {
		r := &result.Report{Noisy: true, Loads: []result.Load{l}, Ranks: []result.Ranking{
			{Load: result.Datagrams, Metric: "rate", Places: places}, {Load: "other", Metric: "rate", Places: places},
		}}
		all := answers(r)
		require.Contains(t, all[0], "too noisy")
		require.Equal(t, []string{"One request per datagram: " + want + "."}, all[1:])
	}
}

func TestNoAnswers(t *testing.T) {
	r := &result.Report{
		Loads: []result.Load{
			{Kind: result.Connections, Results: []result.Measured{{Subject: "a", Rate: 1}, {Subject: "b", Problem: "it ended"}}},
			{Kind: result.Conversations, Results: []result.Measured{{Subject: "a", Problem: "it ended"}}},
		},
		Ranks: []result.Ranking{{Load: result.Connections, Metric: "rate"}, {Load: result.Conversations, Metric: "rate"}},
	}
	require.Equal(t, []string{"One request per connection: nobody has a place, see the warnings.", "Long conversations: nothing was measured."}, answers(r))
}

func TestAnswersOfAPace(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Ranks = 200, []result.Ranking{
		{Load: result.Connections, Metric: "p99", Places: [][]string{{"threading", "preforking"}, {"forking-reuse"}}},
	}
	require.Equal(t, []string{"One request per connection: threading and preforking share the first place with a p99 of 12.5 ms to 12.9 ms, " +
		"forking-reuse in the last with a p99 of 68.7 ms; without a place, see the warnings: " +
		"synchronous, forking, plugin-threading, plugin-preforking and python-forking."}, answers(r))
	require.Contains(t, notes(r, r.Loads[0]), "Places are by p99, of those that kept the pace.")
	require.Equal(t, "3", places(r, result.Connections)["forking-reuse"])
	require.Equal(t, "Latency (p99) beside threading", ratioChart(r, r.Loads[0], nil).Title)
}

// What > means is said once for all subjects.
func TestLonger(t *testing.T) {
	r := readReport(t)
	all := notes(r, r.Loads[0])
	require.Contains(t, all, "What has > is longer, as requests failed or were still waiting when a round ended: 47 with forking and 5 with python-forking.")
	require.NotContains(t, notes(r, r.Loads[1]), "longer")
	for _, note := range all {
		require.NotRegexp(t, "^forking:.*waiting", note)
	}
}

// A sign that two are equal says how much they may differ.
func TestEqualIsExplained(t *testing.T) {
	r := readReport(t)
	table := ratioTable(r, r.Loads[0])
	require.Equal(t, []string{"In brackets, the 95 % interval. Those with = are not certain to differ from threading by more than a tenth."}, table.notes)
	require.Contains(t, ratioChart(r, r.Loads[0], nil).Caption, "where it says =, the two are not certain to differ by more than a tenth.")
}

func TestCompared(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Settings.Server = 2000, "web"
	require.Equal(t, `handler "timestamp" over tcp (server "web"): 9 subjects, 64 clients, 10 s of load each `+
		`in 5 rounds, 2 k/s at a fixed pace, latencies from when a request was due.`, compared(r))
}
