package config

import (
	"runtime"

	"github.com/go-socketserver/socketserver/framework"
)

// Concurrency is where requests run.
type Concurrency struct {
	Kind          string `json:"kind"`         // synchronous, threading, forking or preforking
	MaxThreads    int    `json:"max_threads"`  // threading; 0: no bound
	MaxChildren   int    `json:"max_children"` // forking, and so are the following
	Spares        int    `json:"spares"`
	MaxRequests   int    `json:"max_requests"`
	Workers       int    `json:"workers"`        // preforking
	IsolatedState bool   `json:"isolated_state"` // forking, preforking: allow a handler with state, of which every process has its own
}

// kinds are the words of a concurrency block: their defaults and the strategy of each.
var kinds = map[string]struct {
	defaults Concurrency
	strategy func(c Concurrency, worker *framework.Program) framework.Strategy
}{
	"synchronous": {Concurrency{}, func(Concurrency, *framework.Program) framework.Strategy {
		return &framework.Synchronous{}
	}},
	"threading": {Concurrency{}, func(c Concurrency, _ *framework.Program) framework.Strategy {
		return &framework.Threading{MaxThreads: c.MaxThreads}
	}},
	"forking": {Concurrency{MaxChildren: 40, MaxRequests: 1}, func(c Concurrency, worker *framework.Program) framework.Strategy {
		return &framework.Forking{Command: worker, MaxChildren: c.MaxChildren, Spares: c.Spares, MaxRequests: c.MaxRequests}
	}},
	"preforking": {Concurrency{Workers: runtime.GOMAXPROCS(0)}, func(c Concurrency, worker *framework.Program) framework.Strategy {
		return &framework.Preforking{Command: worker, Workers: c.Workers}
	}},
}

// maxWorkers is above what any machine can use.
const maxWorkers = 1024

func concurrencyGrammar(c *Concurrency) map[string]attributes {
	return map[string]attributes{
		"synchronous": {},
		"threading":   {"max_threads": integer(&c.MaxThreads, 0, count)},
		"forking": {
			"max_children": integer(&c.MaxChildren, 1, count), "spares": integer(&c.Spares, 0, count),
			"max_requests": integer(&c.MaxRequests, 1, count), "isolated_state": boolean(&c.IsolatedState),
		},
		"preforking": {"workers": integer(&c.Workers, 1, maxWorkers), "isolated_state": boolean(&c.IsolatedState)},
	}
}

// Concurrencies are the kinds of [Concurrency].
func Concurrencies() []string { return names(kinds) }

// DefaultConcurrency returns the defaults of a concurrency block of that kind.
func DefaultConcurrency(kind string) Concurrency {
	c := kinds[kind].defaults
	c.Kind = kind
	return c
}

// strategy makes the strategy of c. worker is the program of its processes for compiled-in
// handlers; nil: this program.
func (c Concurrency) strategy(worker *framework.Program) framework.Strategy {
	return kinds[c.Kind].strategy(c, worker)
}

// UsesProcesses reports whether requests run in several processes, each with its own memory.
func (c Concurrency) UsesProcesses() bool {
	kind, ok := kinds[c.Kind]
	return ok && kind.strategy(c, nil).Place() == framework.InWorkers
}

// ThreadsPerProcess is the number of threads of a process of a handler that serves little.
const ThreadsPerProcess = 6

// Processes returns how many processes the strategy may have at once.
func (c Concurrency) Processes() int { return c.MaxChildren + c.Workers }

// perSource is the default: one client takes at most half of the strategy's capacity.
func (c Concurrency) perSource() int {
	const usual = 64
	if bound := max(c.MaxThreads, c.MaxChildren); bound > 0 {
		return max(1, min(usual, bound/2))
	}
	return usual
}
