package result

import (
	"math"
	"math/rand/v2"
	"time"
)

// even are five rounds that differ by a hundredth.
var even = []float64{1, 1.01, 0.99, 1.005, 0.995}

// uneven are five rounds that tell nothing.
var uneven = []float64{1, 2, 0.5, 1.6, 0.6}

// subject has rounds of this rate, and what follows from it if one core is busy:
// latency and CPU time go with its inverse.
func subject(name string, rate float64, factors []float64) Measured {
	m := Measured{Subject: name, Cost: Cost{Proportional: 10 << 20, Resident: 20 << 20, Processes: 1}}
	for _, f := range factors {
		each := time.Duration(float64(time.Second) / (rate * f))
		m.Rounds = append(m.Rounds, Round{
			Requests: int64(rate), Elapsed: time.Second, Rate: rate * f,
			Latency: Latency{P50: each, P90: 2 * each, P99: 3 * each, P999: 4 * each, Max: 5 * each},
			CPU:     each * time.Duration(rate),
		})
	}
	if len(factors) > 0 {
		m.Latency = m.Rounds[0].Latency
	}
	return m
}

// drawn is a subject with rounds that scatter about its rate.
func drawn(r *rand.Rand, name string, rate, deviation float64, rounds int) Measured {
	var factors []float64
	for range rounds {
		factors = append(factors, math.Exp(deviation*r.NormFloat64()))
	}
	return subject(name, rate, factors)
}

// reused is forking with children that serve more than one request.
const reused = "forking, max_requests = 100, spares = 4"

var strategies = []Subject{
	{Name: "synchronous", Strategy: "synchronous", Form: Compiled, Concurrency: `concurrency "synchronous" {}`},
	{Name: "threading", Strategy: "threading", Form: Compiled, Concurrency: `concurrency "threading" {}`},
	{Name: "forking", Strategy: "forking", Form: Compiled, Concurrency: `concurrency "forking" {}`},
	{Name: reused, Strategy: "forking", Form: Compiled, Concurrency: "concurrency \"forking\" {\n  max_requests = 100\n  spares       = 4\n}"},
	{Name: "preforking", Strategy: "preforking", Form: Compiled, Concurrency: `concurrency "preforking" {}`},
	{Name: "plugin threading", Strategy: "threading", Form: Plugin, Concurrency: `concurrency "threading" {}`},
}

// report is of these strategies under one load.
func report(kind string, results ...Measured) *Report {
	return &Report{
		Environment: Environment{Cores: 2},
		Settings:    Settings{Clients: 64},
		Subjects:    strategies,
		Loads:       []Load{{Kind: kind, Results: results}},
	}
}

// usual is a report as it comes out on an ordinary machine.
func usual() *Report {
	forking := subject("forking", 300, even)
	forking.Cost.Proportional, forking.Cost.Processes = 180<<20, 20
	r := report(Connections,
		subject("synchronous", 9000, even), subject("threading", 12000, even), forking,
		subject(reused, 4000, even), subject("preforking", 11900, even), subject("plugin threading", 7000, even))

	alone := subject("synchronous", 20000, even)
	alone.Unserved = 63
	r.Loads = append(r.Loads, Load{Kind: Conversations, Results: []Measured{
		alone, subject("threading", 95000, even), subject("forking", 60000, even),
		subject(reused, 61000, even), subject("preforking", 94000, even), subject("plugin threading", 94500, even),
	}})
	for _, name := range []string{"exit", "fatal"} {
		r.Mishaps = append(r.Mishaps, mishap(name, map[string]string{"synchronous": "no: exit status 3", "threading": "no: exit status 3"}))
	}
	return r
}

// mishap is one that all strategies live through, except for some.
func mishap(name string, ended map[string]string) Mishap {
	m := Mishap{Name: name}
	for _, s := range strategies {
		row := Observation{Subject: s.Name, Lived: "yes"}
		if how := ended[s.Name]; how != "" {
			row.Lived = how
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}
