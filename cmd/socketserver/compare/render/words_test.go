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
		"a alone has a place, at 1 k/s; without a place, see the warnings: b and c":        {{"a"}},
		"a and b share a place, at 1 k/s to 1.1 k/s; without a place, see the warnings: c": {{"a", "b"}},
		"b fastest with 1.1 k/s, c slowest with 10/s":                                      {{"b"}, {"a"}, {"c"}},
		"a and b share the first place with 1 k/s to 1.1 k/s, c slowest with 10/s":         {{"a", "b"}, {"c"}},
	} {
		r := &result.Report{Noisy: true, Loads: []result.Load{l}, Ranks: []result.Ranking{
			{Load: result.Datagrams, Metric: "rate", Places: places}, {Load: "other", Metric: "rate", Places: places},
		}}
		all := answers(r)
		require.Contains(t, all[0], "too noisy")
		require.Equal(t, []string{"One request per datagram: " + want + "."}, all[1:])
	}
}

func TestCompared(t *testing.T) {
	r := readReport(t)
	r.Settings.Rate, r.Settings.Server = 2000, "web"
	require.Equal(t, `handler "timestamp" over tcp (server "web"): 9 subjects, 64 clients, 10 s of load each `+
		`in 5 rounds, 2 k/s at a fixed pace, latencies from when a request was due.`, compared(r))
}
