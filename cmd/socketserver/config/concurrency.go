package config

import (
	"runtime"
	"slices"

	"github.com/go-socketserver/socketserver/cmd/socketserver/distributed"
	"github.com/go-socketserver/socketserver/framework"
)

// Concurrency is where requests run.
type Concurrency struct {
	Kind          string `json:"kind"`         // synchronous, threading, forking, preforking or distributed
	MaxThreads    int    `json:"max_threads"`  // threading; 0: no bound
	MaxChildren   int    `json:"max_children"` // forking, and so are the following
	Spares        int    `json:"spares"`
	MaxRequests   int    `json:"max_requests"`
	Workers       int    `json:"workers"`        // preforking
	IsolatedState bool   `json:"isolated_state"` // forking, preforking, distributed: allow a handler with state, of which every process has its own

	MaxRequestsPerWorker int    `json:"max_requests_per_worker,omitempty"` // distributed: requests at once
	Via                  string `json:"via,omitempty"`                     // distributed: tcp or bus
}

// Means are what a strategy needs of the process that it is made in.
type Means struct {
	Worker *framework.Program  // of processes for compiled-in handlers; nil: this program
	Secure *framework.Program  // likewise, of those that end TLS themselves
	Front  *distributed.Front  // knows the workers of the cluster; nil: a server is only checked
	Serves *distributed.Worker // this process is such a worker; nil: it is none
}

// workerOf returns the program of a server's processes that serve more than one request.
func (with Means) workerOf(s *Server) *framework.Program {
	if slices.ContainsFunc(s.Transports, func(t Transport) bool { return t.TLS != nil && t.WebSocket == nil }) {
		return with.Secure
	}
	return with.Worker
}

// kinds are the words of a concurrency block: their defaults and the strategy of each.
var kinds = map[string]struct {
	defaults Concurrency
	strategy func(s *Server, with Means) framework.Strategy
}{
	"synchronous": {Concurrency{}, func(*Server, Means) framework.Strategy {
		return &framework.Synchronous{}
	}},
	"threading": {Concurrency{}, func(s *Server, _ Means) framework.Strategy {
		return &framework.Threading{MaxThreads: s.Concurrency.MaxThreads}
	}},
	"forking": {Concurrency{MaxChildren: 40, MaxRequests: 1}, func(s *Server, with Means) framework.Strategy {
		c, command := s.Concurrency, with.Worker
		if c.MaxRequests > 1 { // else they do not end TLS
			command = with.workerOf(s)
		}
		return &framework.Forking{Command: command, MaxChildren: c.MaxChildren, Spares: c.Spares, MaxRequests: c.MaxRequests}
	}},
	"preforking": {Concurrency{Workers: runtime.GOMAXPROCS(0)}, func(s *Server, with Means) framework.Strategy {
		return &framework.Preforking{Command: with.workerOf(s), Workers: s.Concurrency.Workers}
	}},
	"distributed": {Concurrency{MaxRequestsPerWorker: 64, Via: "tcp"}, func(s *Server, with Means) framework.Strategy {
		if with.Serves != nil {
			return &framework.Threading{} // its transport has the bound
		}
		return &distributed.Strategy{Front: with.Front, Server: s.Name, Build: s.Build(), Bus: s.Concurrency.Via == "bus"}
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
		"preforking":  {"workers": integer(&c.Workers, 1, maxWorkers), "isolated_state": boolean(&c.IsolatedState)},
		"distributed": {"max_requests_per_worker": integer(&c.MaxRequestsPerWorker, 1, count), "via": choice(func(s string) { c.Via = s }, "tcp", "bus"), "isolated_state": boolean(&c.IsolatedState)},
	}
}

// Concurrencies are the kinds of [Concurrency] that need no cluster.
func Concurrencies() []string {
	return slices.DeleteFunc(names(kinds), func(kind string) bool { return kind == "distributed" })
}

// DefaultConcurrency returns the defaults of a concurrency block of that kind.
func DefaultConcurrency(kind string) Concurrency {
	c := kinds[kind].defaults
	c.Kind = kind
	return c
}

// UsesProcesses reports whether requests run in several processes, each with its own memory.
func (c Concurrency) UsesProcesses() bool {
	kind, ok := kinds[c.Kind]
	return ok && kind.strategy(&Server{Concurrency: c}, Means{}).Place() == framework.InWorkers
}

// ThreadsPerProcess is the number of threads of a process of a handler that serves little.
const ThreadsPerProcess = 6

// Processes returns how many processes the strategy may have at once.
func (c Concurrency) Processes() int { return c.MaxChildren + c.Workers }

// InProcess is the kind of strategy that a plugin is configured with: workers of the cluster run it as threading does.
func (c Concurrency) InProcess() string {
	if c.Kind == "distributed" {
		return "threading"
	}
	return c.Kind
}

// perSource is the default: one client takes at most half of the strategy's capacity.
func (c Concurrency) perSource() int {
	const usual = 64
	if bound := max(c.MaxThreads, c.MaxChildren); bound > 0 {
		return max(1, min(usual, bound/2))
	}
	return usual
}
