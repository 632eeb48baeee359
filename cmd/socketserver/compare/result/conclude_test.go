package result

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConclude(t *testing.T) {
	r := usual()
	r.Warnings = []string{"one from before"}
	Conclude(r)

	m := r.Loads[0].of("threading")
	require.InDelta(t, 12000, m.Rate, 1)
	require.Equal(t, time.Second/12000, m.Latency.P50)
	require.Equal(t, 5*m.Rounds[2].Latency.P50, m.Latency.Max, "of the slowest round")
	require.InDelta(t, float64(time.Second/12000), float64(m.Cost.CPU), 1000)

	require.Len(t, r.Comparisons, 2*5*len(compared))
	c := r.Comparisons[0]
	require.Equal(t, Comparison{Connections, "rate", "synchronous", "threading", c.Ratio, Less}, c)
	require.InDelta(t, 0.75, c.Ratio.Value, 1e-9)
	require.Equal(t, [][]string{{"threading", "preforking"}, {"synchronous"}, {"plugin-threading"}, {"forking-reuse"}, {"forking"}}, r.Ranks[0].Places)
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
	require.Empty(t, r.Advice)
	require.Empty(t, r.Warnings)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(text), `"comparisons":[]`)
	require.Contains(t, string(text), `"warnings":[]`)
}

func TestKept(t *testing.T) {
	m := subject("threading", 100, even)
	m.Rate, m.Latency.P50, m.Cost.CPU = 1, 2, 3
	r := report(Connections, m)
	Conclude(r)
	require.Equal(t, m, r.Loads[0].Results[0])
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
			"connections: the rounds differ too much to tell forking from threading (forking may have anything from 0.428 to 1.86 times its rate); " +
				"use a longer --duration, more --rounds or a quieter machine", true,
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
			"connections: with 2 rounds nothing can be told apart; use --rounds 3 or more", false,
		},
		"more clients than children": {
			Conversations,
			[]Measured{left("forking"), left("synchronous")},
			"conversations: not all of the 64 clients got an answer: forking left 24 out (raise max_children), or use fewer --clients", false,
		},
		"unlucky clients": {Connections, []Measured{left("forking")}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := report(c.kind, c.results...)
			Conclude(r)
			Conclude(r) // says it once
			want := []string{}
			if c.warning != "" {
				want = append(want, c.warning)
			}
			require.Equal(t, want, r.Warnings)
			require.Equal(t, c.noisy, r.Noisy)
		})
	}
}

func TestBound(t *testing.T) {
	for want, s := range map[string]Subject{
		"max_children": {Strategy: "forking", Form: Plugin},
		"max_threads":  {Strategy: "threading", Form: Compiled, Concurrency: "threading { max_threads = 8 }"},
	} {
		require.Equal(t, want, s.bound())
		s.Form = Python
		require.Empty(t, s.bound(), "nobody can set it")
	}
	require.Empty(t, Subject{Strategy: "threading", Form: Compiled}.bound())
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
	require.Equal(t, "a, b and c", list([]string{"a", "b", "c"}))
	_, err := count.parse("1" + strings.Repeat("0", 400))
	require.ErrorContains(t, err, "is too large")
	require.Equal(t, 100, Subject{Concurrency: "forking { max_requests = 100, spares = 4 }"}.option("max_requests"))
	require.Zero(t, Subject{Concurrency: "forking {}"}.option("spares"))
}
