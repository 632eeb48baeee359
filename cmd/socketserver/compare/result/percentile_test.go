package result

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// of is a subject with so many answers in three rounds, and requests without one.
func of(name string, answers, unfinished int64) Measured {
	m := Measured{Subject: name, Rate: 1, Unfinished: unfinished}
	m.Latency = Latency{P50: 1 * time.Millisecond, P90: 2 * time.Millisecond, P99: 3 * time.Millisecond, P999: 4 * time.Millisecond, Max: 5 * time.Millisecond}
	for range 3 {
		m.Rounds = append(m.Rounds, Round{Requests: answers / 3, Rate: 1, Latency: m.Latency})
	}
	return m
}

// shown is as a table has it.
func shown(m Measured) (all []string) {
	for _, name := range []string{"p50", "p90", "p99", "p99.9", "max"} {
		all = append(all, name+" "+m.Text(name))
	}
	return all
}

func TestPercentiles(t *testing.T) {
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 4 ms", "max 5 ms"}, shown(of("a", 9999, 0)))
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 4 ms", "max >5 ms"}, shown(of("a", 9999, 10)))
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 >4 ms", "max >5 ms"}, shown(of("a", 9999, 11)))
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 >4 ms", "max >5 ms"}, shown(of("a", 9999, 100)))
	require.Equal(t, []string{"p50 >1 ms", "p90 >2 ms", "p99 >3 ms", "p99.9 >4 ms", "max >5 ms"}, shown(of("a", 9999, 9999)))
}

func TestTooFewAnswers(t *testing.T) {
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 -", "max 5 ms"}, shown(of("a", 999, 0)))
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 -", "p99.9 -", "max 5 ms"}, shown(of("a", 99, 0)))
	require.Equal(t, []string{"p50 1 ms", "p90 -", "p99 -", "p99.9 -", "max 5 ms"}, shown(of("a", 9, 0)))
}

// Requests that failed were not answered in any time, and are above every percentile.
func TestPercentilesOfFailures(t *testing.T) {
	m := of("a", 9999, 40)
	m.Errors = map[string]int64{"timeout": 60}
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 3 ms", "p99.9 >4 ms", "max >5 ms"}, shown(m))
	m.Errors["refused"] = 1
	require.Equal(t, []string{"p50 1 ms", "p90 2 ms", "p99 >3 ms", "p99.9 >4 ms", "max >5 ms"}, shown(m))
	m.Unfinished, m.Errors = 0, map[string]int64{"reset": 9999}
	require.Equal(t, "p50 >1 ms", shown(m)[0])

	r := report(Connections, m)
	for kind, found := range map[string]string{"threading": "more than 3 ms, as 3889 requests failed or still waited when a round ended", "forking": "more than 3 ms, as 101 requests failed or still waited when a round ended"} {
		m.Subject, m.Errors = kind, map[string]int64{"timeout": 3889} // 28 % of all
		if kind == "forking" {
			m.Errors, m.Unfinished = map[string]int64{"timeout": 1}, 100
		}
		r.Loads[0].Results[0] = m
		c, err := ParseCondition(kind+".p99<95ms", names, kinds)
		require.NoError(t, err)
		require.Equal(t, Assertion{Condition: kind + ".p99<95ms", Found: kind + ".connections.p99: " + found}, c.Check(r))
		m.Unfinished = 0
	}
}

func TestConditionOnUnfinished(t *testing.T) {
	r := report(Connections, of("threading", 9999, 200), of("forking", 999, 1))
	for condition, want := range map[string]Assertion{
		"threading.p99<5ms":                {Found: "threading.connections.p99: more than 3 ms, as 200 requests failed or still waited when a round ended"},
		"threading.p99>1ms":                {Found: "threading.connections.p99: more than 3 ms, as 200 requests failed or still waited when a round ended"},
		"threading.p90<5ms":                {Found: "threading.connections.p90 = 2 ms", Held: true},
		"forking.max<5s":                   {Found: "forking.connections.max: more than 5 ms, as 1 request failed or still waited when a round ended"},
		"forking.p999<5s":                  {Found: "forking.connections.p99.9: 999 answers of the 1000 that it needs"},
		"forking.p50 <= 1 * threading.p99": {Found: "forking.connections.p50 = 1 ms, threading.connections.p99: more than 3 ms, as 200 requests failed or still waited when a round ended"},
	} {
		c, err := ParseCondition(condition, names, kinds)
		require.NoError(t, err)
		want.Condition = condition
		require.Equal(t, want, c.Check(r))
	}
}

func TestUncertainIsNotCompared(t *testing.T) {
	compared := func(unfinished, answers int64) (metrics []string) {
		r := report(Connections, of("threading", 9999, 0), of("forking", answers, unfinished))
		Conclude(r)
		for _, c := range r.Comparisons {
			metrics = append(metrics, c.Metric)
		}
		return metrics
	}
	require.Equal(t, []string{"rate", "p50", "p99"}, compared(0, 999))
	require.Equal(t, []string{"rate", "p50"}, compared(200, 9999))
	require.Equal(t, []string{"rate"}, compared(9999, 9999))
	require.Equal(t, []string{"rate", "p50"}, compared(0, 297), "99 answers in a round")
}
