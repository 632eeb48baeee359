package result

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

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
	require.Equal(t, "under connections no rate is certain to be the best: threading and forking share the first place (101/s and 100/s)",
		saying(t, fastest, report(Connections, subject("threading", 101, even), subject("forking", 100, even))))
	require.Equal(t, "under connections threading is fastest with 200/s, ahead of forking and preforking (100/s and 101/s)",
		saying(t, fastest, report(Connections, subject("threading", 200, even), subject("forking", 100, even), subject("preforking", 101, even))))
	require.Contains(t, saying(t, fastest, usual()),
		"; under conversations threading, preforking and plugin-threading share the first place of those with a place (")

	require.Equal(t, "under connections there is only 100/s with threading",
		saying(t, fastest, report(Connections, subject("threading", 100, even))))
	failing := subject("forking", 200, even)
	failing.Errors = map[string]int64{"timeout": 500}
	require.Equal(t, "under connections threading alone has a place, with 100/s; the warnings say why not forking",
		saying(t, fastest, report(Connections, subject("threading", 100, even), failing)))
	require.Equal(t, "under connections no order can be told: 101/s with threading and 10.1/s with forking",
		saying(t, fastest, report(Connections, subject("threading", 100, even[:2]), subject("forking", 10, even[:2]))), "two rounds")
}

// A place only says that somebody above is more.
func TestAheadOfTheBeaten(t *testing.T) {
	wide := subject("forking-reuse", 190, uneven)
	first, second := subject("threading", 200, even), subject("forking", 150, even)
	r := report(Connections, wide, first, second)
	require.Equal(t, "under connections no rate is certain to be the best: forking-reuse and threading share the first place (190/s and 200/s)",
		saying(t, fastest, r))
	require.Equal(t, [][]string{{"forking-reuse", "threading"}, {"forking"}}, r.Ranks[0].Places)
	require.Contains(t, saying(t, fastest, report(Connections, wide, first, second, subject("preforking", 5, even))),
		"share the first place (190/s and 200/s), ahead of preforking (5/s)", "in the same place, or below it")
}

func TestFastestServesEverybody(t *testing.T) {
	alone := subject("synchronous", 900, even)
	alone.Unserved = 63
	r := report(Conversations, alone, subject("threading", 500, even), subject("forking", 100, even))
	require.Contains(t, saying(t, fastest, r), "threading is fastest of those with a place with 500/s")
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
	require.Contains(t, saying(t, fastest, r), "threading is fastest of those with a place with 500/s, 10 times (10 to 10) the 50/s of preforking")
}

// Who answers one client alone does not order those that answer all.
func TestPartialTakesNoPlace(t *testing.T) {
	alone := subject("synchronous", 1230, even)
	alone.Unserved = 15
	r := report(Conversations, alone, subject("threading", 1150, even), subject("preforking", 1100, even))
	require.Equal(t, "under conversations no rate of those with a place is certain to be the best: "+
		"threading and preforking share the first place (1.15 k/s and 1.1 k/s)", saying(t, fastest, r))
	require.Equal(t, [][]string{{"threading", "preforking"}}, r.Ranks[0].Places)
	require.Contains(t, r.Warnings, "conversations: synchronous has no place: 15 of 64 clients got no answer")
}

// paced is a subject that answers what is asked for, in so many times the usual.
func paced(name string, rate float64, slower time.Duration) Measured {
	m := subject(name, rate, even)
	for i := range m.Rounds {
		m.Rounds[i].Latency.P99 *= slower
	}
	return m
}

func TestPace(t *testing.T) {
	r := report(Connections, paced("threading", 3000, 1), paced("forking", 1500, 1), paced("preforking", 2990, 4))
	r.Settings.Rate = 3000
	require.Equal(t, "under connections threading and preforking kept the pace of 3 k/s (2.99 k/s to 3 k/s), and forking did not (1.5 k/s); "+
		"threading has the shortest p99 with 1 ms, ahead of preforking (4.01 ms)", saying(t, fastest, r))
	require.Equal(t, []Ranking{{Connections, "p99", [][]string{{"threading"}, {"preforking"}}}}, r.Ranks)
	require.Empty(t, saying(t, isolation, r), "what it could answer is not known")

	r = report(Connections, paced("threading", 3000, 1), paced("forking", 2990, 1))
	r.Settings.Rate = 3000
	require.Equal(t, "under connections threading and forking kept the pace of 3 k/s (2.99 k/s to 3 k/s); "+
		"no p99 is certain to be the shortest: threading and forking share the first place (1 ms and 1 ms)", saying(t, fastest, r))
	r.Settings.Rate = 9000
	require.Equal(t, "under connections nobody kept the pace of 9 k/s: 3 k/s with threading and 2.99 k/s with forking", saying(t, fastest, r))
	for _, a := range r.Advice {
		require.NotContains(t, a.Text, "fastest")
	}
}

func TestLatency(t *testing.T) {
	r := report(Connections, subject("threading", 1000, even), subject("forking", 100, even))
	require.Equal(t, "under connections p99 goes from 3 ms with threading to 30 ms with forking, 10 times (10 to 10) as much", saying(t, latency, r))
	r.Loads[0].Results[1].Unfinished = 20
	require.Equal(t, "under connections p99 is 3 ms with threading, and is not known of forking", saying(t, latency, r))
	r.Loads[0].Results[0].Unfinished, r.Loads[0].Results[1].Unfinished = 5000, 520
	require.Equal(t, "under connections no latency is known, as requests failed or were still waiting when a round ended: "+
		"5000 with threading and 520 with forking", saying(t, latency, r))
}

func TestCost(t *testing.T) {
	r := report(Connections, subject("threading", 1000, even), subject("forking", 100, even))
	require.Equal(t, "under connections the CPU time of a request goes from 1 ms with threading to 10 ms with forking, 10 times (10 to 10) as much",
		saying(t, cost, r))
	for i := range r.Loads[0].Results {
		r.Loads[0].Results[i].Cost.CPU = -1
	}
	require.Equal(t, "under connections memory is 10 MiB with threading and forking", saying(t, cost, r))
}

func TestCertainty(t *testing.T) {
	require.Equal(t, "under connections from round to round the rate of threading varied, from 99/s to 101/s",
		saying(t, certainty, report(Connections, subject("threading", 100, even))))
	r := report(Connections, subject("threading", 100, even), subject("forking", 95, []float64{1, 1, 1, 1, 1}), subject("preforking", 50, even))
	require.Equal(t, "under connections no difference of more than a tenth by rate is certain between threading and forking (0.941 to 0.959 of it), "+
		"and from round to round the rate of threading varied most, from 99/s to 101/s", saying(t, certainty, r))
	r = report(Connections, subject("threading", 100, even[:2]), subject("forking", 50, uneven[:2]))
	require.Equal(t, "under connections 2 rounds can tell nothing apart, "+
		"and from round to round the rate of forking varied most, from 50/s to 100/s", saying(t, certainty, r))
}

// What was done for a part of the clients, or failed, is no measure of the others.
func TestFairAdvice(t *testing.T) {
	alone, failing := subject("synchronous", 99, uneven), subject("preforking", 98, uneven)
	alone.Unserved, failing.Errors = 15, map[string]int64{"reset": 900}
	r := report(Conversations, alone, subject("threading", 100, even), subject("forking", 95, even), failing)
	for _, rule := range []func(*evidence) string{latency, cost, certainty} {
		require.NotRegexp(t, "synchronous|preforking", saying(t, rule, r))
	}
	for i := range r.Loads[0].Results {
		r.Loads[0].Results[i].Unserved = 8
	}
	require.Contains(t, saying(t, cost, r), "forking", "none answered all")
}

// TestEnoughAdvice: there are three sentences as soon as there are two subjects.
func TestEnoughAdvice(t *testing.T) {
	unknown := func(name string, factors []float64) Measured {
		m := subject(name, 100, factors)
		for i := range m.Rounds {
			m.Rounds[i].CPU = -1
		}
		m.Cost, m.Errors = Cost{CPU: -1, Proportional: -1}, map[string]int64{"reset": 900}
		return m
	}
	for name, results := range map[string][]Measured{
		"conversations alone":    {subject("threading", 100, even), subject("forking", 90, even)},
		"two rounds":             {subject("threading", 100, even[:2]), subject("forking", 90, even[:2])},
		"one round":              {subject("threading", 100, even[:1]), subject("forking", 90, even[:1])},
		"hardly anything known":  {unknown("threading", even), unknown("forking", even)},
		"nor any rounds to tell": {unknown("threading", even[:1]), unknown("forking", even[:1])},
	} {
		for _, rate := range []float64{0, 100, 1000} {
			for _, kind := range []string{Connections, Conversations, Datagrams} {
				r := report(kind, results...)
				r.Settings.Rate = rate
				Conclude(r)
				require.GreaterOrEqual(t, len(r.Advice), 3, name)
				require.LessOrEqual(t, len(r.Advice), mostAdvice, name)
				for _, a := range r.Advice {
					requireRests(t, a.Text, a.Rests)
				}
			}
		}
	}
}

func TestNothingMeasured(t *testing.T) {
	r := report(Connections, Measured{Subject: "threading", Problem: "the first request was not answered: timeout"},
		Measured{Subject: "forking", Problem: "the first request was not answered: timeout"}, Measured{Subject: "preforking"})
	Conclude(r)
	require.Len(t, r.Advice, 1)
	require.Equal(t, "Nothing could be measured, and so nothing tells the subjects apart: under connections "+
		"the first request was not answered: timeout (threading and forking), there was no round (preforking).", r.Advice[0].Text)
	requireRests(t, r.Advice[0].Text, r.Advice[0].Rests)
	r = report(Connections, Measured{Subject: "threading", Problem: "it ended"}, subject("forking", 100, even))
	require.Empty(t, saying(t, nothing, r))
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
	require.Equal(t, costs+cpu+"; forking-reuse is in between with 400/s; preforking, which uses processes too, is not certain to differ from threading by more than a tenth (990/s)",
		saying(t, isolation, report(Connections, threading, forking, subject("forking-reuse", 400, even), subject("preforking", 990, even))))
	require.Equal(t, costs+cpu, saying(t, isolation, report(Connections, threading, forking, subject("forking-reuse", 101, even))), "no better")

	require.Equal(t, "a process for each request is not certain to cost more than a tenth under connections: threading answers 101/s and forking 100/s",
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
	require.Equal(t, "what a plugin costs: under connections threading and plugin-threading are not certain to differ by more than a tenth (200/s and 199/s)",
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
