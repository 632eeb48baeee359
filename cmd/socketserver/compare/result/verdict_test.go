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
		"Under connections use threading or preforking (rate 12 k/s and 11.9 k/s), ahead of synchronous (9 k/s); " +
			"under conversations use threading, preforking or plugin-threading (rate 95 k/s, 94 k/s and 94.5 k/s), " +
			"ahead of forking and forking-reuse (60 k/s and 61 k/s).",
		"If the handler may end its process, use forking, forking-reuse, preforking or plugin-threading: the server does not survive that with synchronous or threading.",
	}, verdict(t, r))
	require.Contains(t, r.Advice[0].Rests, "preforking.connections.rate = 11.9 k/s")
	require.Contains(t, r.Advice[1].Rests, "threading.exit.lived = no: exit status 3")
}

func TestVerdictOnRates(t *testing.T) {
	require.Equal(t, "Under connections use threading (rate 200/s), ahead of forking and preforking (100/s and 101/s).",
		only(t, report(Connections, subject("threading", 200, even), subject("forking", 100, even), subject("preforking", 101, even))))
	require.Equal(t, "Under connections threading and forking are not certain to differ by more than a tenth (rate 101/s and 100/s).",
		only(t, report(Connections, subject("threading", 101, even), subject("forking", 100, even))))
	require.Equal(t, "Under connections only threading was measured (rate 100/s).",
		only(t, report(Connections, subject("threading", 100, even))))

	failing := subject("forking", 200, even)
	failing.Errors = map[string]int64{"timeout": 500}
	require.Equal(t, "Under connections no other strategy is certain to be better than threading (rate 100/s).",
		only(t, report(Connections, subject("threading", 100, even), failing)))
	require.Equal(t, "Under connections no strategy that can be recommended has a place.", only(t, report(Connections, failing)))
	require.Equal(t, "Nothing was measured: it ended.",
		only(t, report(Connections, Measured{Subject: "threading", Problem: "it ended"})))
}

// A place below says only that something above is better, not all of it.
func TestAheadOfTheBeaten(t *testing.T) {
	wide := subject("forking-reuse", 190, []float64{1, 1.25, 0.85, 1.2, 0.9})
	first, second := subject("threading", 200, even), subject("forking", 150, even)
	r := report(Connections, wide, first, second)
	require.Equal(t, "Under connections forking-reuse and threading are not certain to differ by more than a tenth (rate 190/s and 200/s).", only(t, r))
	require.Equal(t, [][]string{{"forking-reuse", "threading"}, {"forking"}}, r.Ranks[0].Places)
	require.Contains(t, only(t, report(Connections, wide, first, second, subject("preforking", 5, even))),
		"(rate 190/s and 200/s), ahead of preforking (5/s)", "in the same place, or below it")
}

// Serving one client alone is no merit.
func TestVerdictLeavesOutTheUnfair(t *testing.T) {
	alone := subject("synchronous", 900, even)
	alone.Unserved = 63
	r := report(Conversations, alone, subject("threading", 500, even), subject("forking", 100, even))
	require.Equal(t, "Under conversations use threading (rate 500/s), ahead of forking (100/s).", only(t, r))
	require.Contains(t, r.Warnings, "conversations: synchronous has no place: 63 of 64 clients got no answer from it")
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
	require.Equal(t, "Under connections use threading (p99 1 ms), ahead of preforking (4.01 ms).", only(t, r))
	require.Equal(t, []Ranking{{Connections, "p99", [][]string{{"threading"}, {"preforking"}}}}, r.Ranks)
	r.Settings.Rate = 9000
	require.Equal(t, "Under connections no strategy that can be recommended has a place.", only(t, r))
}

// Runs that may be chance have no winner, only what was observed for certain.
func TestNoiseHasNoWinner(t *testing.T) {
	again := "Repeat the comparison before you choose: its differences may be chance, as the warnings say."
	few := report(Connections, subject("threading", 101, even[:2]), subject("forking", 10, even[:2]))
	require.Equal(t, again, only(t, few))
	require.Equal(t, []string{"connections: with 2 rounds nothing can be told apart"}, few.Advice[0].Rests)

	noisy := usual()
	noisy.Loads[0].Results[2] = subject("forking", 9000, uneven)
	all := verdict(t, noisy)
	require.Equal(t, again, all[0], "also for the load that was quiet")
	require.True(t, strings.HasPrefix(all[1], "If the handler may end its process, use forking"))

	random := rand.New(rand.NewPCG(5, 6))
	named := 0
	for range 500 {
		deviation := 0.3 * random.Float64()
		var results []Measured
		for _, s := range strategies {
			results = append(results, drawn(random, s.Name, 1000*(1+random.Float64()), deviation, 4))
		}
		r := report(Connections, results...)
		text := only(t, r)
		require.Equal(t, r.Noisy, text == again)
		if before, behind, ok := strings.Cut(text, ", ahead of "); ok {
			named++
			for _, better := range r.Ranks[0].Places[0] {
				require.Contains(t, before, better)
				for _, s := range strategies {
					if strings.Contains(" "+behind, " "+s.Name+" ") {
						q, known := metricNamed("rate").compare(r.Loads[0].of(better), r.Loads[0].of(s.Name))
						require.True(t, known && q.verdict() == More, text)
					}
				}
			}
		}
	}
	require.Greater(t, named, 50)
}

// A strategy that serve refuses for a handler with state is not recommended, and the verdict says why.
func TestVerdictOnState(t *testing.T) {
	r := usual()
	r.Settings.Stateful = "the visits"
	r.Loads[0].Results[4] = subject("preforking", 20000, even)
	all := verdict(t, r)
	require.Equal(t, "Under connections use threading (rate 12 k/s), ahead of synchronous (9 k/s); "+
		"under conversations threading and plugin-threading are not certain to differ by more than a tenth (rate 95 k/s and 94.5 k/s).", all[0])
	require.Equal(t, "If the handler may end its process, use plugin-threading: the server does not survive that with synchronous or threading.", all[1])
	require.Equal(t, "The handler keeps the visits in memory: with forking, forking-reuse or preforking each process has its own, "+
		"and serve refuses that unless isolated_state = true.", all[2])

	r = report(Connections, subject("forking", 100, even), subject("preforking", 200, even))
	r.Settings.Stateful = "the visits"
	require.Equal(t, "Under connections no strategy that can be recommended has a place.", verdict(t, r)[0])
	r.Subjects = strategies[:2]
	require.NotContains(t, strings.Join(verdict(t, r), " "), "keeps", "no process was compared")
}

func TestSurvival(t *testing.T) {
	r := usual()
	r.Mishaps = []Mishap{mishap("hang", map[string]string{"synchronous": "no: stuck"})}
	require.Equal(t, "If the handler may never return, use threading, forking, forking-reuse, preforking or plugin-threading: the server does not survive that with synchronous.",
		verdict(t, r)[1])
	r.Mishaps[0].Rows[1].Problem = "it could not be tried"
	require.NotContains(t, verdict(t, r)[1], "threading, ")
	r.Mishaps[0].Rows[0].Lived = "yes"
	require.Len(t, verdict(t, r), 1, "every server went on")
}

// The servers of Python are there to compare with.
func TestPythonIsNoChoice(t *testing.T) {
	r := report(Connections, subject("threading", 1000, even), subject("python-threading", 5000, even), subject("forking", 100, even))
	r.Subjects = append(slices.Clone(strategies), Subject{Name: "python-threading", Strategy: "threading", Form: Python})
	require.Equal(t, "Under connections use threading (rate 1 k/s), ahead of forking (100/s).", only(t, r))
}
