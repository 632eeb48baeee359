package result

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConclude(t *testing.T) {
	r := usual()
	r.Warnings = []string{"one from before"}
	Conclude(r)

	m := r.Loads[0].Of("threading")
	require.InDelta(t, 12000, m.Rate, 1)
	require.InDelta(t, float64(time.Second/12000), float64(m.Cost.CPU), 1000)

	require.Len(t, r.Comparisons, 2*5*len(Compared))
	c := r.Comparisons[0]
	require.Equal(t, Comparison{Connections, "rate", "synchronous", "threading", c.Ratio, Less}, c)
	require.InDelta(t, 0.75, c.Ratio.Value, 1e-9)
	require.Equal(t, [][]string{{"threading", "preforking"}, {"synchronous"}, {"plugin threading"}, {reused}, {"forking"}}, r.Ranks[0].Places)
	require.False(t, r.Noisy)
	require.Equal(t, "one from before", r.Warnings[0])

	once, err := json.Marshal(r)
	require.NoError(t, err)
	Conclude(r)
	twice, err := json.Marshal(r)
	require.NoError(t, err)
	require.JSONEq(t, string(once), string(twice))
}

func TestConcludeNothing(t *testing.T) {
	r := report(Connections, Measured{Subject: "threading", Problem: "refused"}, Measured{Subject: "forking"})
	Conclude(r)
	Conclude(&Report{})
	require.Empty(t, r.Comparisons)
	require.Empty(t, r.Ranks[0].Places)
	require.Len(t, r.Advice, 1)
	require.Empty(t, r.Warnings)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(text), `"comparisons":[]`)
}

func TestBase(t *testing.T) {
	a, b := subject("synchronous", 100, even), subject("threading", 100, even)
	require.Equal(t, "threading", (&Load{Results: []Measured{a, b}}).base().Subject)
	b.Problem = "it ended"
	require.Equal(t, "synchronous", (&Load{Results: []Measured{b, a}}).base().Subject)
}

func TestWarnings(t *testing.T) {
	shares := func(generator, others float64) Measured {
		m := subject("threading", 100, even)
		for i := range m.Rounds {
			m.Rounds[i].Generator, m.Rounds[i].Others = generator, others
		}
		return m
	}
	left := func(name string) Measured {
		m := subject(name, 100, even)
		m.Unserved = 24
		return m
	}
	failing := func(m Measured, errors map[string]int64) Measured {
		m.Errors = errors
		return m
	}
	silent := subject("forking", 90, even)
	silent.Rounds[1], silent.Rounds[4] = Round{}, Round{}
	once := shares(0.2, 0.3)
	once.Rounds[0].Others, once.Rounds[1].Others, once.Rounds[2].Others = -1, -1, -1
	for name, c := range map[string]struct {
		kind    string
		results []Measured
		warning string
		noisy   bool
	}{
		"quiet": {Connections, []Measured{shares(0.5, 0.1), subject("forking", 90, even)}, "", false},
		"spread": {
			Connections,
			[]Measured{shares(0.5, 0.1), subject("forking", 90, uneven)},
			"connections: the rounds differ too much to tell forking from threading; use a longer --duration, more --rounds or a quieter machine", true,
		},
		"a place of several close ones": {
			Connections,
			[]Measured{subject("threading", 109, even), subject("forking", 100, even), subject("preforking", 92, even)},
			"", false,
		},
		"failed requests": {
			Connections,
			[]Measured{subject("threading", 100, even), failing(subject("forking", 90, even), map[string]int64{"reset": 10, "timeout": 40})},
			"connections: forking has no place: 10 % of its requests failed", false,
		},
		"a few failed requests": {
			Connections,
			[]Measured{subject("threading", 100, even), failing(subject("forking", 99, even), map[string]int64{"reset": 5})},
			"", false,
		},
		"silent rounds": {
			Connections,
			[]Measured{subject("threading", 100, even), silent},
			"connections: forking has no place: nothing was answered in 2 of 5 rounds", false,
		},
		"silent rounds and failed requests": {
			Connections,
			[]Measured{subject("threading", 100, even), failing(silent, map[string]int64{"refused": 270})},
			"connections: forking has no place: nothing was answered in 2 of 5 rounds, and 50 % of its requests failed", false,
		},
		"others known of two rounds": {
			Connections,
			[]Measured{once},
			"connections: other programs used up to 30 % of the machine meanwhile; stop them, or use a quieter machine", true,
		},
		"spread and yet certain": {Connections, []Measured{shares(0.5, 0.1), subject("forking", 5, uneven)}, "", false},
		"others": {
			Connections,
			[]Measured{shares(0.2, 0.3)},
			"connections: other programs used up to 30 % of the machine meanwhile; stop them, or use a quieter machine", true,
		},
		"others not known": {Connections, []Measured{shares(0.2, -1)}, "", false},
		"generator": {
			Connections,
			[]Measured{shares(0.7, 0)},
			"connections: the load generator used more than 60 % of the machine, so that it was the limit with threading, which could answer more; " +
				"compare the CPU per request, or use a machine with more cores", false,
		},
		"few rounds": {
			Connections,
			[]Measured{subject("threading", 100, even[:2])},
			"connections: with 2 rounds nothing can be told apart; use --rounds 3 or more", true,
		},
		"more clients than children": {
			Conversations,
			[]Measured{left("forking"), left("synchronous")},
			"conversations: forking has no place: 24 of 64 clients got no answer\n" +
				"conversations: synchronous has no place: 24 of 64 clients got no answer", false,
		},
		"unlucky clients": {Connections, []Measured{left("forking")}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := report(c.kind, c.results...)
			Conclude(r)
			Conclude(r) // adds it once
			var want []string
			if c.warning != "" {
				want = strings.Split(c.warning, "\n")
			}
			require.Equal(t, want, r.Warnings)
			require.Equal(t, c.noisy, r.Noisy)
		})
	}
}

func TestBehind(t *testing.T) {
	r := report(Connections, subject("threading", 30000, even), subject("forking", 196000, even))
	r.Settings.Rate = 200000
	Conclude(r)
	require.Equal(t, []string{"connections: threading has no place: it answered 30 k/s of the required 200 k/s"}, r.Warnings)
}

func TestNoP99(t *testing.T) {
	few, waiting := subject("threading", 99, even), subject("forking", 100, even)
	waiting.Unfinished = 50
	r := report(Connections, few, waiting, subject("preforking", 100, even))
	r.Settings.Rate = 100
	Conclude(r)
	require.Equal(t, []string{
		"connections: threading has no place: its p99 is not known: too little was answered in a round; use a longer --duration",
		"connections: forking has no place: its p99 is not known: more than 30 ms, as 50 requests failed or still waited when a round ended; use a longer --duration",
	}, r.Warnings)
}

// A round of unknown CPU time is in no sum and no ratio.
func TestUnmeasuredCPU(t *testing.T) {
	m, base := subject("forking", 100, even), subject("threading", 200, even)
	m.Rounds[1].CPU, base.Rounds[4].CPU = -1, -1
	m.Rounds[1].Requests = 100000
	r := report(Connections, m, base)
	Conclude(r)
	require.InDelta(t, float64(10*time.Millisecond), float64(r.Loads[0].Results[0].Cost.CPU), float64(100*time.Microsecond))
	i := slices.IndexFunc(r.Comparisons, func(c Comparison) bool { return c.Metric == "cpu" })
	require.InDelta(t, 2, r.Comparisons[i].Ratio.Value, 0.01)

	for i := range m.Rounds {
		m.Rounds[i].CPU = -1
	}
	r = report(Connections, m, base)
	Conclude(r)
	require.Less(t, r.Loads[0].Results[0].Cost.CPU, time.Duration(0))
	require.False(t, slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.Metric == "cpu" }))
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit *unit
		v    float64
		want string
	}{
		{perSecond, 284, "284/s"},
		{perSecond, 12900, "12.9 k/s"},
		{perSecond, 999.6, "1 k/s"},
		{perSecond, 0, "0/s"},
		{nanoseconds, 3.14159e6, "3.14 ms"},
		{nanoseconds, 210e3, "210 us"},
		{nanoseconds, 90e9, "90 s"},
		{size, 7.6 * (1 << 20), "7.6 MiB"},
		{size, 1010 << 10, "0.986 MiB"},
		{size, 12, "12 B"},
		{size, 3 << 50, "3072 TiB"},
		{count, 123456, "123456"},
		{count, 2.5, "2.5"},
		{count, 0.022347, "0.0223"},
	} {
		text := c.unit.format(c.v)
		require.Equal(t, c.want, text)
		read, err := c.unit.parse(text)
		require.NoError(t, err)
		require.InEpsilon(t, c.v+1, read+1, 0.006, "%s is read again", text)
	}
	_, err := count.parse("1" + strings.Repeat("0", 400))
	require.ErrorContains(t, err, "is too large")
}
