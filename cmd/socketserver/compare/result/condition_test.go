package result

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	names = []string{"threading", "forking", "CPython ForkingTCPServer"}
	kinds = []string{Connections, Conversations}
)

func TestCheck(t *testing.T) {
	r := report(Connections, subject("threading", 100, even), subject("forking", 50, even))
	r.Loads = append(r.Loads, Load{Kind: Conversations, Results: []Measured{
		subject("threading", 1000, even), {Subject: "forking", Problem: "connection refused"},
	}})
	r.Loads[0].Results[0].Errors = map[string]int64{"timeout": 2, "reset": 1}
	r.Loads[0].Results[0].Cost.Switches = -1
	r.Mishaps = []Mishap{
		mishap("exit", map[string]string{"threading": "no: exit status 3"}),
		{Name: "memory", Rows: []Observation{{Subject: "forking", Problem: "too little memory"}}},
	}
	Conclude(r)
	for condition, want := range map[string]Assertion{
		"threading.connections.p99<50ms":                          {Held: true, Found: "threading.connections.p99 = 30 ms"},
		"threading.connections.p99 >= 50 ms":                      {Held: false, Found: "threading.connections.p99 = 30 ms"},
		"threading.conversations.p99.9<50ms":                      {Held: true, Found: "threading.conversations.p99.9 = 4 ms"},
		"threading.connections.p999<50s":                          {Held: false, Found: "threading.connections.p99.9: 500 answers of the 1000 that it needs"},
		"threading.p50<5ms":                                       {Held: false, Found: "threading.connections.p50 = 10 ms, threading.conversations.p50 = 1 ms"},
		"threading.rate>=0.1k/s":                                  {Held: true, Found: "threading.connections.rate = 100/s, threading.conversations.rate = 1 k/s"},
		"threading.memory==10MiB":                                 {Held: true, Found: "threading.connections.memory = 10 MiB, threading.conversations.memory = 10 MiB"},
		"threading.connections.resident!=20MiB":                   {Held: false, Found: "threading.connections.resident = 20 MiB"},
		"threading.connections.errors<=3":                         {Held: true, Found: "threading.connections.errors = 3"},
		"threading.conversations.errors==0":                       {Held: true, Found: "threading.conversations.errors = 0"},
		"threading.connections.rate>1.5*forking.rate":             {Held: true, Found: "threading.connections.rate = 100/s, forking.connections.rate = 50/s"},
		"forking.connections.rate > threading.rate":               {Held: false, Found: "forking.connections.rate = 50/s, threading.connections.rate = 100/s"},
		"threading.p50 < 2*threading.connections.p50":             {Held: true, Found: "threading.connections.p50 = 10 ms, threading.connections.p50 = 10 ms, threading.conversations.p50 = 1 ms, threading.connections.p50 = 10 ms"},
		"threading.connections.rate>1*forking.conversations.rate": {Held: false, Found: "threading.connections.rate = 100/s, forking.conversations.rate: connection refused"},
		"forking.rate>0":                                          {Held: false, Found: "forking.connections.rate = 50/s, forking.conversations.rate: connection refused"},
		"forking.conversations.errors!=1":                         {Held: false, Found: "forking.conversations.errors: connection refused"},
		"threading.connections.switches<100":                      {Held: false, Found: "threading.connections.switches: not known"},
		"CPython ForkingTCPServer.connections.rate>0":             {Held: false, Found: "CPython ForkingTCPServer.connections.rate: not measured"},
		"forking.exit.lived == yes":                               {Held: true, Found: "forking.exit.lived = yes"},
		"threading.exit.lived==no":                                {Held: true, Found: "threading.exit.lived = no: exit status 3"},
		"threading.exit.lived!=no":                                {Held: false, Found: "threading.exit.lived = no: exit status 3"},
		"forking.memory.lived!=no":                                {Held: false, Found: "forking.memory.lived: too little memory"},
		"forking.kill.lived!=yes":                                 {Held: false, Found: "forking.kill.lived: not tried"},
	} {
		c, err := ParseCondition(condition, names, kinds)
		require.NoError(t, err)
		want.Condition = condition
		require.Equal(t, want, c.Check(r))
	}
	c, err := ParseCondition(" threading.rate>0 ", names, kinds)
	require.NoError(t, err)
	require.Equal(t, Assertion{Condition: "threading.rate>0", Found: "nothing was measured"}, c.Check(&Report{}))
}

// A name is typed with or without spaces, and its settings in any order.
func TestNames(t *testing.T) {
	require.Equal(t, []string{"threading", reused, "plugin preforking", "forking, spares = 2"},
		Names([]string{" threading", "forking", " spares=4", "max_requests  = 100", "plugin  preforking ", "forking,spares=2"}))
	for text, want := range map[string]string{
		"forking,spares = 4,max_requests=100.p99<5ms":                     reused,
		"threading.rate > 2*forking, max_requests = 100, spares = 4.rate": "threading",
	} {
		c, err := ParseCondition(text, []string{"threading", reused}, kinds)
		require.NoError(t, err)
		require.Equal(t, want, c.left.subject)
		require.True(t, c.right == nil || c.right.subject == reused)
	}
}

func TestUnanswered(t *testing.T) {
	m := subject("threading", 100, even)
	for i := range m.Rounds {
		m.Rounds[i] = Round{}
	}
	r := report(Connections, m)
	Conclude(r)
	for condition, want := range map[string]Assertion{
		"threading.p99<5ms":  {Found: "threading.connections.p99: no request was answered"},
		"threading.rate<5/s": {Found: "threading.connections.rate = 0/s", Held: true},
	} {
		c, err := ParseCondition(condition, names, kinds)
		require.NoError(t, err)
		want.Condition = condition
		require.Equal(t, want, c.Check(r))
	}
}

func TestParseConditionErrors(t *testing.T) {
	for condition, want := range map[string]string{
		"":                                 "it compares nothing; write it as in threading.p99<5ms, with one of < <= > >= == !=",
		"threading.p99":                    "it compares nothing; write it as in threading.p99<5ms, with one of < <= > >= == !=",
		"threading.p99=5ms":                "it compares nothing; write it as in threading.p99<5ms, with one of < <= > >= == !=",
		"threadin.p99<5ms":                 `there is no subject "threadin"; did you mean "threading"?`,
		"nginx.p99<5ms":                    `there is no subject "nginx"; there is threading, forking and CPython ForkingTCPServer`,
		"<5ms":                             `there is no subject ""; there is threading, forking and CPython ForkingTCPServer`,
		"threading<5ms":                    "threading is a subject; name one of its metrics, as in threading.p99",
		"threading.p98<5ms":                `there is no metric "p98"; did you mean "p90"?`,
		"threading.connection.p99<5ms":     `there is no load "connection"; did you mean "connections"?`,
		"threading.datagrams.p99<5ms":      `there is no load "datagrams"; there is connections and conversations`,
		"threading.connections.foo<5ms":    `there is no metric "foo"; there is rate, p50, p90, p99, p99.9, max, cpu, memory, resident, switches, started, processes, threads, descriptors, errors, unserved and unfinished`,
		"threading.p99<":                   `"" is not a time; write one, as in 5ms`,
		"threading.p99<5":                  `"5" has no unit; write it as in 5ms`,
		"threading.p99<5MB":                `"5MB" is not a time: there is no unit "MB"; write it as in 5ms`,
		"threading.rate>5ms":               `"5ms" is not a rate: there is no unit "ms"; write it as in 2.5k/s`,
		"threading.memory<-5MiB":           `"-5MiB" is not a size; write one, as in 40MiB`,
		"threading.p99<2*forking.rate":     "forking.rate is a rate, and threading.p99 is a time; compare it with another metric",
		"threading.p99<x*forking.p99":      `"x" is not a number; write one, as in 10`,
		"threading.p99<2*forkin.p99":       `there is no subject "forkin"; did you mean "forking"?`,
		"threading.p99<fast":               `"fast" is not a time; write one, as in 5ms`,
		"threading.p99<forking.exit.lived": "forking.exit.lived is yes or no, and threading.p99 is a time; compare it with another metric",
		"threading.exit.lived<yes":         "lived is yes or no; compare it with == or !=",
		"threading.exit.lived==maybe":      `"maybe" is not yes or no; write one, as in yes`,
		"threading.exits.lived==yes":       `there is no mishap "exits"; did you mean "exit"?`,
	} {
		_, err := ParseCondition(condition, names, kinds)
		require.EqualError(t, err, want, condition)
	}
}

// FuzzParseCondition: a parsed condition can be checked, and its text parses to the same.
func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{
		"threading.p99<5ms", "CPython ForkingTCPServer.connections.p99.9 >= 0.5*forking.p50", "forking.exit.lived == yes",
		"threading.rate>2.5k/s", "threading.memory!=40MiB", "forking.cpu==0", "a.b<=c", "threading.switches<1*forking.errors",
	} {
		f.Add(seed)
	}
	r := report(Connections, subject("threading", 100, even), subject("forking", 50, even))
	Conclude(r)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCondition(text, names, kinds)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := ParseCondition(c.text, names, kinds)
		require.NoError(t, err)
		require.Equal(t, c, again)
		require.True(t, slices.Contains(names, c.left.subject))
		require.NotEmpty(t, c.Check(r).Found)
	})
}
