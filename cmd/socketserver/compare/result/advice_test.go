package result

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// saying returns the sentence of one rule, as it is used.
func saying(t *testing.T, rule func(*evidence) string, r *Report) string {
	t.Helper()
	Conclude(r)
	e := &evidence{report: r}
	text := rule(e)
	if e.missing {
		return ""
	}
	if text != "" {
		requireRests(t, text, e.rests)
	}
	return text
}

// requireRests holds that a sentence names what it rests on.
func requireRests(t *testing.T, text string, rests []string) {
	t.Helper()
	require.NotEmpty(t, rests, text)
	for _, rest := range rests {
		_, value, ok := strings.Cut(rest, " = ")
		require.True(t, ok, rest)
		value = strings.TrimPrefix(value, "no: ")
		if before, _, grouped := strings.Cut(value, " ("); grouped {
			value = before
		}
		if value != "yes" {
			require.Contains(t, text, value, rest)
		}
	}
}

func TestFastest(t *testing.T) {
	require.Equal(t, "under connections threading is fastest with 200/s, 2.02 times (1.97 to 2.06) the 100/s of forking",
		saying(t, fastest, report(Connections, subject("forking", 100, even), subject("threading", 200, []float64{1, 1, 1.01, 1, 1.03}))))
	require.Equal(t, "under connections no rate is certain to be the best: threading and forking share a place (101/s and 100/s)",
		saying(t, fastest, report(Connections, subject("threading", 101, even), subject("forking", 100, even))))
	require.Equal(t, "under connections threading is fastest with 200/s, ahead of forking and preforking (100/s and 101/s)",
		saying(t, fastest, report(Connections, subject("threading", 200, even), subject("forking", 100, even), subject("preforking", 101, even))))
	require.Contains(t, saying(t, fastest, usual()),
		"; under conversations threading, preforking and plugin-threading share the first place of those that answered every client (")

	require.Empty(t, saying(t, fastest, report(Connections, subject("threading", 100, even))), "alone")
	require.Empty(t, saying(t, fastest, report(Connections, subject("threading", 100, even[:2]), subject("forking", 10, even[:2]))), "two rounds")
}

func TestFastestServesEverybody(t *testing.T) {
	alone := subject("synchronous", 900, even)
	alone.Unserved = 63
	r := report(Conversations, alone, subject("threading", 500, even), subject("forking", 100, even))
	require.Contains(t, saying(t, fastest, r), "threading is fastest of those that answered every client with 500/s")
	r.Loads[0].Kind = Connections
	require.Contains(t, saying(t, fastest, r), "synchronous is fastest with 900/s", "somebody was unlucky")
}

func TestFastestOfThosePlaced(t *testing.T) {
	failing := subject("synchronous", 900, even)
	failing.Errors = map[string]int64{"reset": 900}
	r := report(Conversations, failing, subject("threading", 500, even), subject("forking", 100, even))
	require.Contains(t, saying(t, fastest, r), "threading is fastest of those with a place with 500/s")
	r.Loads[0].Results[2].Unserved = 24
	r.Loads[0].Results = append(r.Loads[0].Results, subject("preforking", 50, even))
	require.Contains(t, saying(t, fastest, r), "threading is fastest of those with a place that answered every client with 500/s")
}

func TestNothingRestsOnFailures(t *testing.T) {
	threading, forking := subject("threading", 1000, even), subject("forking", 100, even)
	require.NotEmpty(t, saying(t, isolation, report(Connections, threading, forking)))
	threading.Errors = map[string]int64{"reset": 500}
	require.Empty(t, saying(t, isolation, report(Connections, threading, forking)))
	threading.Errors, forking.Errors = nil, map[string]int64{"reset": 500}
	require.Empty(t, saying(t, isolation, report(Connections, threading, forking)))
}

func TestSurvival(t *testing.T) {
	r := usual()
	r.Mishaps[1] = mishap("fatal", map[string]string{"synchronous": "no: exit status 2", "threading": "no: exit status 2"})
	r.Mishaps = append(r.Mishaps, mishap("memory", map[string]string{"threading": "no: signal: killed"}), mishap("panic", nil))
	r.Mishaps[1].Rows[1].Lived = "no: signal: killed"
	require.Equal(t, "if your handler may end its process (exit status 3) or fail fatally (exit status 2, signal: killed), "+
		"use forking, forking-reuse, preforking or plugin-threading: the server went on, while that of synchronous and threading ended",
		saying(t, survival, r))

	r.Mishaps = []Mishap{mishap("exit", nil)}
	require.Empty(t, saying(t, survival, r), "all lived")
	r.Mishaps[0].Rows = r.Mishaps[0].Rows[:1]
	r.Mishaps[0].Rows[0].Lived = "no: exit status 3"
	require.Empty(t, saying(t, survival, r), "none lived")
	r.Mishaps = nil
	require.Empty(t, saying(t, survival, r), "not tried")
	r.Mishaps = []Mishap{mishap("exit", map[string]string{"threading": "no: exit status 3"})}
	r.Mishaps[0].Rows[1].Problem = "it did not start"
	require.Empty(t, saying(t, survival, r), "not observed where it matters")
}

func TestIsolation(t *testing.T) {
	threading, forking := subject("threading", 1000, even), subject("forking", 100, even)
	const costs = "a process for each request costs time under connections: threading answers 1 k/s and forking 100/s"
	const cpu = ", with 10 ms of CPU per request against 1 ms, 10 times (10 to 10) as much"
	require.Equal(t, costs+cpu, saying(t, isolation, report(Connections, threading, forking)))
	require.Equal(t, costs+cpu+"; forking-reuse is in between with 400/s; preforking, which uses processes too, can not be told from threading (990/s)",
		saying(t, isolation, report(Connections, threading, forking, subject("forking-reuse", 400, even), subject("preforking", 990, even))))
	require.Equal(t, costs+cpu, saying(t, isolation, report(Connections, threading, forking, subject("forking-reuse", 101, even))), "no better")

	require.Equal(t, "a process for each request costs nothing that can be told under connections: threading answers 101/s and forking 100/s",
		saying(t, isolation, report(Connections, subject("threading", 101, even), forking)))
	require.Empty(t, saying(t, isolation, report(Connections, subject("threading", 101, uneven), forking)), "too noisy")
	require.Empty(t, saying(t, isolation, report(Connections, threading)))
	require.Empty(t, saying(t, isolation, report(Conversations, threading, forking)), "a process for each client there")

	r := report(Connections, threading, forking, subject("forking-reuse", 400, even))
	r.Subjects = slices.Clone(strategies)
	slices.Reverse(r.Subjects)
	require.Contains(t, saying(t, isolation, r), "and forking 100/s", "the one without reuse, wherever it stands")

	for i := range forking.Rounds {
		forking.Rounds[i].CPU = threading.Rounds[i].CPU / 10
	}
	require.Equal(t, costs, saying(t, isolation, report(Connections, threading, forking)), "it waits")
	for i := range forking.Rounds {
		forking.Rounds[i].CPU = -1
	}
	forking.Cost.CPU = -1
	require.Equal(t, costs, saying(t, isolation, report(Connections, threading, forking)), "CPU time is not known")
}

func TestStarvation(t *testing.T) {
	r := usual()
	require.Equal(t, "under conversations some of the 64 clients got no answer for a whole round, 63 with synchronous; "+
		"where clients stay connected use threading, forking, forking-reuse, preforking or plugin-threading, which answered all", saying(t, starvation, r))
	r.Loads[1].Results[2].Rounds[0].Unserved = 5
	require.NotContains(t, saying(t, starvation, r), "forking,", "not in every round")
	r.Loads[1].Results[0].Unserved = 0
	require.Empty(t, saying(t, starvation, r))
	r.Loads[0].Results[0].Unserved = 3
	require.Empty(t, saying(t, starvation, r), "unlucky")
}

func TestPluginForm(t *testing.T) {
	compiled := subject("threading", 200, even)
	require.Equal(t, "what a plugin costs: under connections threading answers 200/s, 2 times (2 to 2) the 100/s of plugin-threading",
		saying(t, pluginForm, report(Connections, compiled, subject("plugin-threading", 100, even))))
	require.Equal(t, "what a plugin costs: under connections threading and plugin-threading can not be told apart (200/s and 199/s)",
		saying(t, pluginForm, report(Connections, compiled, subject("plugin-threading", 199, even))))
	require.Empty(t, saying(t, pluginForm, report(Connections, compiled, subject("plugin-threading", 300, even))), "it gains")
	require.Empty(t, saying(t, pluginForm, report(Connections, compiled, subject("plugin-threading", 150, uneven))), "too noisy")
	require.Empty(t, saying(t, pluginForm, report(Connections, compiled)))
}

func TestPeers(t *testing.T) {
	r := report(Connections, subject("threading", 1000, even), subject("forking", 100, even),
		subject("python-threading", 200, even), subject("python-forking", 100, even))
	require.Empty(t, saying(t, peers, r))
	r.Subjects = append(slices.Clone(strategies), Subject{Name: "python-threading", Strategy: "threading", Form: Python},
		Subject{Name: "python-forking", Strategy: "forking", Form: Python})
	require.Equal(t, "against Python: under connections threading answers 1 k/s, 5 times (5 to 5) the 200/s of python-threading", saying(t, peers, r))

	r.Mishaps = []Mishap{{Name: "exit", Rows: []Observation{{Subject: "threading", Lived: "no: exit status 3"}, {Subject: "python-forking", Lived: "yes"}}}}
	require.Empty(t, saying(t, survival, r), "a peer is not advised")
}

func TestFootprint(t *testing.T) {
	r := usual()
	require.Equal(t, "the most memory under connections is that of forking, 180 MiB against 10 MiB with threading: "+
		"20 processes of 9 MiB; set max_children so that as many fit", saying(t, footprint, r))
	r.Loads[0].Results[2].Cost.Proportional = 10 << 20
	require.Empty(t, saying(t, footprint, r), "the same")
	r.Loads[0].Results[4].Cost.Proportional, r.Loads[0].Results[4].Cost.Processes = 30<<20, 3
	require.Contains(t, saying(t, footprint, r), "3 processes of 10 MiB; set workers so that as many fit")
	r.Loads[0].Results[5].Cost.Proportional = 40 << 20
	require.Contains(t, saying(t, footprint, r), "that of plugin-threading, 40 MiB against 10 MiB with threading")
	require.NotContains(t, saying(t, footprint, r), "processes")
	for i := range r.Loads[0].Results {
		r.Loads[0].Results[i].Cost.Proportional = -1
	}
	require.Empty(t, saying(t, footprint, r), "not known")
}

func TestCapacity(t *testing.T) {
	r := report(Connections, subject("forking", 500, even))
	require.Equal(t, "at 2 ms of CPU per request under connections, 2 cores can do no more than 1 k/s with forking; "+
		"more max_children or spares do not raise that", saying(t, capacity, r))
	r.Loads[0].Results[0].Rate = 1100
	require.Empty(t, saying(t, capacity, r), "more was measured")
	r.Environment.Cores = 0
	require.Empty(t, saying(t, capacity, r))
	require.Empty(t, saying(t, capacity, report(Connections, subject("threading", 500, even))))
}

func TestSpares(t *testing.T) {
	r := report(Connections, subject("forking", 100, even), subject("forking-spares", 300, even))
	r.Subjects = append(slices.Clone(strategies), Subject{Name: "forking-spares", Strategy: "forking", Form: Compiled, Concurrency: "forking { spares = 4 }"})
	require.Equal(t, "spares shorten a request under connections: p50 is 3.33 ms with forking-spares and 10 ms with forking", saying(t, spares, r))
	r.Loads[0].Results[1] = subject("forking-spares", 101, even)
	require.Empty(t, saying(t, spares, r))
	r.Loads[0].Results[1] = subject("forking-spares", 300, even)
	r.Loads[0].Results[1].Unfinished = 1500
	require.Empty(t, saying(t, spares, r), "p50 is longer than what was counted")
}

func TestWorkers(t *testing.T) {
	r := report(Connections, subject("threading", 200, even), subject("preforking", 100, even))
	require.Empty(t, saying(t, workers, r), "as many as cores")
	r.Subjects = slices.Clone(strategies)
	r.Subjects[4].Concurrency = "preforking { workers = 8 }"
	require.Equal(t, "with 8 workers on 2 cores preforking answers 100/s under connections, less than threading with 200/s: try workers = 2", saying(t, workers, r))
	r.Loads[0].Results[1] = subject("preforking", 199, even)
	require.Empty(t, saying(t, workers, r), "no harm")
}

func TestState(t *testing.T) {
	r := usual()
	require.Empty(t, saying(t, state, r))
	m := mishap("counter", nil)
	m.Rows[0].Finding = "it went on"
	r.Mishaps = []Mishap{m}
	require.Empty(t, saying(t, state, r), "no difference")
	for i, finding := range []string{"it went on", "it went on", "it began anew", "it began anew", "", "it went on"} {
		m.Rows[i].Finding = finding
	}
	r.Mishaps = []Mishap{m}
	require.Equal(t, "a counter that the handler keeps in memory: it went on with synchronous, threading and plugin-threading; "+
		"it began anew with forking and forking-reuse", saying(t, state, r))
}

func TestAdvice(t *testing.T) {
	r := usual()
	Conclude(r)
	require.Len(t, r.Advice, mostAdvice)
	for _, a := range r.Advice {
		require.Regexp(t, `^[A-Z].*\.$`, a.Text)
		requireRests(t, a.Text, a.Rests)
	}
}

func TestMissingNumber(t *testing.T) {
	r := usual()
	r.Loads[0].Results[2].Cost.CPU = -1
	Conclude(r)
	require.NotEmpty(t, r.Advice)
	for _, a := range r.Advice {
		require.NotContains(t, a.Text, "process for each request", "its CPU time was not found out")
	}
}

// TestAdviceFollowsVerdicts: whatever the rounds are, a difference that is named is one that
// the comparison of the two bears out.
func TestAdviceFollowsVerdicts(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	named := 0
	for range 500 {
		deviation := 0.3 * random.Float64()
		var results []Measured
		for _, s := range strategies {
			results = append(results, drawn(random, s.Name, 1000*(1+random.Float64()), deviation, 4))
		}
		r := report(Connections, results...)
		Conclude(r)
		for _, a := range r.Advice {
			for _, rest := range a.Rests {
				if subject, base, metric, ok := divided(rest); ok {
					q, known := metric.compare(r.Loads[0].of(subject), r.Loads[0].of(base))
					require.True(t, known)
					require.Equal(t, More, q.verdict(), a.Text)
					named++
				}
			}
			if strings.Contains(a.Text, "fastest") {
				require.Contains(t, a.Text, r.Ranks[0].Places[0][0]+" is fastest")
				require.Len(t, r.Ranks[0].Places[0], 1)
			}
		}
	}
	require.Greater(t, named, 50)
}

// divided reads a ratio that a sentence rests on.
func divided(rest string) (subject, base string, m *metric, ok bool) {
	var left, right string
	if n, _ := fmt.Sscanf(rest, "%s / %s =", &left, &right); n != 2 {
		return "", "", nil, false
	}
	l, r := strings.Split(left, "."), strings.Split(right, ".")
	return l[0], r[0], metricNamed(l[2]), true
}

func TestEqualIsNotFaster(t *testing.T) {
	var results []Measured
	for i, s := range strategies {
		results = append(results, subject(s.Name, 1000+float64(i), even))
	}
	r := report(Connections, results...)
	Conclude(r)
	require.NotEmpty(t, r.Advice)
	for _, a := range r.Advice {
		require.NotRegexp(t, `fastest|ahead|costs time|times|in between|less than|shorten`, a.Text)
	}
}
