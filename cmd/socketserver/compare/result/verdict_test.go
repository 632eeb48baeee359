package result

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// verdict returns the sentences that a report concludes with, and holds that each names the
// numbers it rests on.
func verdict(t *testing.T, r *Report) []string {
	t.Helper()
	Conclude(r)
	var all []string
	for _, a := range r.Advice {
		require.Regexp(t, `^[A-Z].*\.$`, a.Text)
		require.NotEmpty(t, a.Rests, a.Text)
		all = append(all, a.Text)
	}
	require.LessOrEqual(t, len(all), 3)
	return all
}

// only is the verdict of one sentence.
func only(t *testing.T, r *Report) string {
	t.Helper()
	all := verdict(t, r)
	require.Len(t, all, 1)
	return all[0]
}

func TestReportHasAVerdict(t *testing.T) {
	r := usual()
	require.Equal(t, []string{
		`Write concurrency "threading" {} in servers.hcl: with a connection for each request nothing is clearly better (12 k/s); ` +
			`in long conversations nothing is clearly better (95 k/s).`,
		`Not if a handler may end its process: the server ends with it. Then write concurrency "preforking" {}.`,
	}, verdict(t, r))
	require.Equal(t, `concurrency "threading" {}`, r.Advice[0].Write)
	require.Contains(t, r.Advice[0].Rests, "threading.connections.rate = 12 k/s")
	require.Contains(t, r.Advice[1].Rests, "threading.exit.lived = no: exit status 3")
}

// alone is the verdict of one sentence, without its end.
func alone(t *testing.T, r *Report) string {
	t.Helper()
	return strings.TrimSuffix(only(t, r), ".")
}

func TestVerdictOnRates(t *testing.T) {
	write := func(block string) string {
		return "Write " + block + " in servers.hcl: with a connection for each request "
	}
	threading := write(`concurrency "threading" {}`)
	require.Equal(t, threading+"it answers most (200/s, and next forking 100/s)",
		alone(t, report(Connections, subject("threading", 200, even), subject("forking", 100, even), subject("preforking", 101, even))))
	require.Equal(t, threading+"nothing is clearly better (101/s)",
		alone(t, report(Connections, subject("forking", 100, even), subject("threading", 101, even))), "it is the default")
	require.Equal(t, threading+"there is no other to choose (100/s)", alone(t, report(Connections, subject("threading", 100, even))))

	failing := subject("forking", 200, even)
	failing.Errors = map[string]int64{"timeout": 500}
	require.Equal(t, threading+"no other has a place (100/s)", alone(t, report(Connections, subject("threading", 100, even), failing)))
	require.Equal(t, "None can be recommended: each left requests or clients without an answer, as the warnings say", alone(t, report(Connections, failing)))
	require.Equal(t, "Nothing was measured: it ended", alone(t, report(Connections, Measured{Subject: "threading", Problem: "it ended"})))
}

// What could not be started, or never answered, is not beaten: the verdict says so, and is none where nothing is left to
// compare with.
func TestVerdictNamesWhatWasNotMeasured(t *testing.T) {
	silent := subject("preforking", 0, even)
	for i := range silent.Rounds {
		silent.Rounds[i] = Round{Elapsed: time.Second}
	}
	ended := Measured{Subject: "forking", Problem: "it ended"}
	only := func(others ...Measured) string {
		return alone(t, report(Connections, append([]Measured{subject("threading", 200, even)}, others...)...))
	}
	require.Equal(t, "None can be recommended: there is nothing to compare threading with, as forking was not measured (it ended)", only(ended))
	require.Equal(t, "None can be recommended: there is nothing to compare threading with, as preforking was not measured (nothing was answered)", only(silent))
	require.Equal(t, "None can be recommended: there is nothing to compare threading with, as forking and preforking were not measured (it ended)", only(ended, silent))
	require.Equal(t, `Write concurrency "threading" {} in servers.hcl: with a connection for each request it answers most (200/s, and next synchronous 100/s), and forking was not measured (it ended)`,
		only(subject("synchronous", 100, even), ended))
}

// A block with settings is written in words, and is there to copy.
func TestVerdictHasSettings(t *testing.T) {
	r := report(Connections, subject(reused, 300, even), subject("forking", 100, even))
	all := verdict(t, r)
	require.Equal(t, `Write concurrency "forking" with max_requests = 100 and spares = 4 in servers.hcl: `+
		`with a connection for each request it answers most (300/s, and next forking 100/s).`, all[0])
	require.Equal(t, `Not if requests share something in memory: each process has its own. Then write concurrency "threading" {}.`, all[1])
	require.Equal(t, "concurrency \"forking\" {\n  max_requests = 100\n  spares       = 4\n}", r.Advice[0].Write)
}

// Where loads disagree the verdict says under which one another is better.
func TestLoadsDisagree(t *testing.T) {
	r := report(Connections, subject("threading", 200, even), subject("synchronous", 100, even))
	r.Loads = append(r.Loads, Load{Kind: Conversations, Results: []Measured{subject("threading", 100, even), subject("synchronous", 200, even)}})
	require.Contains(t, only(t, r), "it answers most (200/s, and next synchronous 100/s); but in long conversations synchronous answers more (200/s, and it 100/s)")
	r.Loads[1].Results[0].Unserved = 9
	r.Loads[1].Results[1].Problem = "it ended"
	require.Contains(t, only(t, r), "; but in long conversations it leaves clients without an answer")
}

// Serving one client alone is no merit.
func TestVerdictLeavesOutTheUnfair(t *testing.T) {
	alone := subject("synchronous", 900, even)
	alone.Unserved = 63
	r := report(Conversations, alone, subject("threading", 500, even), subject("forking", 100, even))
	require.Contains(t, only(t, r), "in long conversations it answers most (500/s, and next forking 100/s).")
	require.Contains(t, r.Warnings, "conversations: synchronous has no place: 63 of 64 clients got no answer")
}

// paced is a subject whose p99 is so many times the usual.
func paced(name string, rate float64, slower time.Duration) Measured {
	m := subject(name, rate, even)
	for i := range m.Rounds {
		m.Rounds[i].Latency.P99 *= slower
	}
	m.Latency = m.Rounds[0].Latency
	return m
}

func TestVerdictOnAPace(t *testing.T) {
	r := report(Connections, paced("threading", 3000, 1), paced("forking", 1500, 1), paced("preforking", 2990, 4))
	r.Settings.Rate = 3000
	require.Contains(t, only(t, r), "it answers soonest (99 of 100 within 1 ms, and next preforking 4.01 ms).")
	require.Equal(t, []Ranking{{Connections, "p99", [][]string{{"threading"}, {"preforking"}}}}, r.Ranks)
	r.Settings.Rate = 9000
	require.Contains(t, only(t, r), "None can be recommended")
}

// Runs that may be chance have no winner, only what was observed for certain.
func TestNoiseHasNoWinner(t *testing.T) {
	few := report(Connections, subject("threading", 101, even[:2]), subject("forking", 10, even[:2]))
	require.Equal(t, "Repeat it: the differences may be chance (connections: with 2 rounds nothing can be told apart).", only(t, few))

	noisy := usual()
	noisy.Loads[0].Results[2] = subject("forking", 9000, uneven)
	all := verdict(t, noisy)
	require.True(t, strings.HasPrefix(all[0], "Repeat it"), "also for the load that was quiet")
	require.Equal(t, "Certain all the same: should a handler end its process, the server does not survive it under synchronous or threading.", all[1])

	random := rand.New(rand.NewPCG(5, 6))
	named := 0
	for range 500 {
		deviation := 0.3 * random.Float64()
		var results []Measured
		for _, s := range strategies {
			results = append(results, drawn(random, s.Name, 1000*(1+random.Float64()), deviation, 4))
		}
		r := report(Connections, results...)
		text := verdict(t, r)[0]
		require.Equal(t, r.Noisy, strings.HasPrefix(text, "Repeat it"))
		if _, next, ok := strings.Cut(text, ", and next "); ok {
			named++
			var chosen string
			for _, s := range strategies {
				if s.Concurrency == r.Advice[0].Write && s.Form == Compiled {
					chosen = s.Name
				}
			}
			for _, s := range strategies {
				if strings.HasPrefix(next, s.Name+" ") {
					q, known := metricNamed("rate").compare(r.Loads[0].Of(chosen), r.Loads[0].Of(s.Name))
					require.True(t, known && q.verdict() == More, text)
				}
			}
		}
	}
	require.Greater(t, named, 20)
}

// A strategy that serve refuses for a handler with state is not recommended, and the verdict says why.
func TestVerdictOnState(t *testing.T) {
	r := usual()
	r.Settings.Stateful = "the visits"
	r.Loads[0].Results[4] = subject("preforking", 20000, even)
	all := verdict(t, r)
	require.Contains(t, all[0], `Write concurrency "threading" {} in servers.hcl: with a connection for each request it answers most (12 k/s, and next synchronous 9 k/s)`)
	require.Equal(t, "If a handler may end its process the server ends with it, and no other choice here survives that.", all[1])
	require.Equal(t, "The handler keeps the visits in memory, so that processes are no choice: each would have its own, "+
		"and serve refuses them unless isolated_state = true.", all[2])

	r = report(Connections, subject("forking", 100, even), subject("preforking", 200, even))
	r.Settings.Stateful = "the visits"
	require.Contains(t, verdict(t, r)[0], "None can be recommended")
	r.Subjects = strategies[:2]
	require.NotContains(t, strings.Join(verdict(t, r), " "), "keeps", "no process was compared")
}

func TestSurvival(t *testing.T) {
	r := usual()
	r.Loads[0].Results[0] = subject("synchronous", 20000, even)
	r.Loads = r.Loads[:1]
	r.Mishaps = []Mishap{mishap("hang", map[string]string{"synchronous": "no: stuck"})}
	require.Equal(t, `Not if a handler may never return: the server ends with it. Then write concurrency "threading" {}.`, verdict(t, r)[1])
	r.Mishaps[0].Rows[1].Problem = "it could not be tried"
	require.Contains(t, verdict(t, r)[1], `Then write concurrency "preforking" {}.`)
	r.Mishaps[0].Rows[0].Lived = "yes"
	require.Len(t, verdict(t, r), 1, "every server went on")
}

// The servers of others, and compiled-in handlers in a plugin, are there to compare with.
func TestOthersAreNoChoice(t *testing.T) {
	r := report(Connections, subject("threading", 1000, even), subject("CPython asyncio", 5000, even), subject("plugin threading", 9000, even), subject("forking", 100, even))
	r.Subjects = append(slices.Clone(strategies), Subject{Name: "CPython asyncio", Strategy: "asyncio", Form: Python})
	require.Contains(t, only(t, r), "it answers most (1 k/s, and next forking 100/s)")
}
