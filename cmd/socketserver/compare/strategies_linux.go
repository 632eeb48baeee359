package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A strategy is a way to run a server, with the name that users type.
type strategy struct {
	name  string
	kind  string // of concurrency
	form  string // see result.Subject
	asked bool   // not a default
	// datagrams makes it a default for datagrams, which CPython serves with this one.
	datagrams bool
	set       func(*config.Concurrency)
}

var strategies = []strategy{
	{name: "synchronous", kind: "synchronous", form: result.Compiled},
	{name: "threading", kind: "threading", form: result.Compiled},
	{name: "forking", kind: "forking", form: result.Compiled, set: strict},
	{name: "forking-spares", kind: "forking", form: result.Compiled, asked: true, set: spares},
	{name: "forking-reuse", kind: "forking", form: result.Compiled, set: reuse},
	{name: "preforking", kind: "preforking", form: result.Compiled},
	{name: "plugin-synchronous", kind: "synchronous", form: result.Plugin, asked: true},
	{name: "plugin-threading", kind: "threading", form: result.Plugin},
	{name: "plugin-forking", kind: "forking", form: result.Plugin, set: strict},
	{name: "plugin-forking-reuse", kind: "forking", form: result.Plugin, asked: true, set: reuse},
	{name: "plugin-preforking", kind: "preforking", form: result.Plugin},
}

// peers are servers of CPython.
var peers = []strategy{
	{name: "python-synchronous", kind: "synchronous", form: result.Python, asked: true, datagrams: true},
	{name: "python-threading", kind: "threading", form: result.Python},
	{name: "python-forking", kind: "forking", form: result.Python},
}

func strict(c *config.Concurrency) { c.MaxRequests, c.Spares = 1, 0 }
func spares(c *config.Concurrency) { c.MaxRequests, c.Spares = 1, max(c.Spares, 4) }

// reuse keeps a user's own numbers.
func reuse(c *config.Concurrency) {
	if c.MaxRequests == 1 {
		c.MaxRequests = 100
	}
	c.Spares = max(c.Spares, min(4, c.MaxChildren))
}

// Strategies returns the names that users can type.
func Strategies() []string {
	var all []string
	for _, s := range slices.Concat(strategies, peers) {
		all = append(all, s.name)
	}
	return all
}

// A wish determines which strategies are compared.
type wish struct {
	names     []string // none: the default ones
	plugin    bool     // the handler is a plugin, and so not compiled in
	python    bool     // compare with peers
	datagrams bool
}

// choose returns the strategies to compare. Peers without a counterpart of the handler are among
// them: subject.Start finds that out.
func choose(w wish) ([]strategy, error) {
	names := slices.Clone(w.names)
	for i, name := range names {
		if !slices.Contains(Strategies(), name) {
			hint := text.Hint(name, Strategies(), "there are "+strings.Join(Strategies(), ", "))
			return nil, fmt.Errorf("there is no strategy %q; %s", name, hint)
		}
		if w.plugin && slices.Contains(Strategies(), "plugin-"+name) {
			names[i] = "plugin-" + name // as the configuration says: concurrency "threading"
		}
	}
	chosen := []strategy{}
	for _, s := range slices.Concat(strategies, peers) {
		asked := slices.Contains(names, s.name)
		if asked && w.plugin && s.form == result.Compiled {
			return nil, fmt.Errorf("%s runs a compiled-in handler, and yours is a plugin; use forking or forking-reuse", s.name)
		}
		if asked || w.usual(s) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// usual reports whether s is compared although no name asks for it.
func (w wish) usual(s strategy) bool {
	switch {
	case s.asked && (!s.datagrams || !w.datagrams):
		return false
	case s.form == result.Python:
		return w.python
	}
	return len(w.names) == 0 && (s.form != result.Compiled || !w.plugin)
}

// spec returns the server of a strategy. A server that has that kind of concurrency keeps its own
// limits. Every process may have its own state, which the mishaps show.
func (s strategy) spec(base *config.Server, executable string) subject.Spec {
	server := *base
	server.Class = nil
	if server.Concurrency.Kind != s.kind {
		server.Concurrency = config.DefaultConcurrency(s.kind)
	}
	if s.set != nil {
		s.set(&server.Concurrency)
	}
	server.Concurrency.IsolatedState = server.Concurrency.UsesProcesses()
	server.Limits.PerSource, server.Limits.Answers = 0, 0 // all clients come from one address
	server.Limits.Banner = ""                             // it would be taken for an answer
	return subject.Spec{Name: s.name, Form: s.form, Server: server, Executable: executable}
}

// describe returns the subject of the report.
func describe(s subject.Spec) result.Subject {
	return result.Subject{
		Name: s.Name, Strategy: s.Server.Concurrency.Kind, Form: s.Form,
		Concurrency: concurrency(s.Server.Concurrency, s.Form),
	}
}

// concurrency returns the block as in a configuration.
func concurrency(c config.Concurrency, form string) string {
	var set []string
	add := func(name string, value int) {
		if value > 0 && form != result.Python {
			set = append(set, fmt.Sprintf("%s = %d", name, value))
		}
	}
	add("max_threads", c.MaxThreads)
	add("max_children", c.MaxChildren)
	add("spares", c.Spares)
	if c.MaxRequests > 1 {
		add("max_requests", c.MaxRequests)
	}
	add("workers", c.Workers)
	if len(set) == 0 {
		return c.Kind + " {}"
	}
	return fmt.Sprintf("%s { %s }", c.Kind, strings.Join(set, ", "))
}
