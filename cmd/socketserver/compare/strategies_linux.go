package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
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

// strategies are in the order of the report. Those of Python are defaults only beside others, with
// [Options].Python.
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
	for _, s := range strategies {
		all = append(all, s.name)
	}
	return all
}

// choose returns the strategies to compare, and warnings about those that the kind of the plugin leaves
// out. Those of Python without a counterpart of the handler are among them: subject.Start finds that
// out.
func (o *Options) choose() (chosen []strategy, warnings []string, err error) {
	isPlugin, known := o.Base.Handler.Kind == "plugin", Strategies()
	names := slices.Clone(o.Strategies)
	for i, name := range names {
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("there is no strategy %q; %s", name, text.Hint(name, known, "there are "+strings.Join(known, ", ")))
		}
		if isPlugin && slices.Contains(known, "plugin-"+name) {
			names[i] = "plugin-" + name // as the configuration says: concurrency "threading"
		}
	}
	for _, s := range strategies {
		asked := slices.Contains(names, s.name)
		usual := len(names) == 0 && (s.form == result.Plugin || !isPlugin)
		if s.form == result.Python {
			usual = o.Python || len(names) == 0 && o.isScript()
		}
		usual = usual && (!s.asked || s.datagrams && o.datagrams())
		switch why := o.refuses(s); {
		case asked && why != "":
			return nil, nil, fmt.Errorf("%s %s", s.name, why)
		case usual && why != "":
			warnings = append(warnings, s.name+" is left out: it "+why)
		case asked || usual:
			chosen = append(chosen, s)
		}
	}
	return chosen, warnings, nil
}

// isScript reports whether the handler is a Python script, which CPython's own servers run, too.
func (o *Options) isScript() bool { return o.Plugin.Kind == plugin.Python }

// refuses returns why a strategy does not run the handler, as a predicate; empty: it does.
func (o *Options) refuses(s strategy) string {
	switch kind := o.Plugin.Kind; {
	case s.form == result.Compiled && o.Base.Handler.Kind == "plugin":
		return "runs a compiled-in handler, and yours is a plugin; use forking or forking-reuse"
	case s.form != result.Plugin:
	case kind == plugin.Stdio && s.kind == "preforking":
		return "cannot run a program that is started for each request; use forking"
	case (kind == plugin.Stdio || kind == plugin.Python) && s.name == "plugin-forking-reuse":
		return "has nothing to reuse, as each request has a process of its own; use forking"
	}
	return ""
}

// spec returns the server of a strategy. A server that has that kind of concurrency keeps its own
// limits. Every process may have its own state, which the mishaps show.
func (s strategy) spec(base *config.Server, run plugin.Definition) subject.Spec {
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
	spec := subject.Spec{Name: s.name, Form: s.form, Server: server, Plugin: run}
	if s.form == result.Python && run.Kind == plugin.Python { // where all subjects are of Python
		spec.Name = "CPython " + classes[s.kind] + classes[server.Transports[0].Network]
	}
	return spec
}

// classes are the parts of the names of CPython's servers, by concurrency and by network.
var classes = map[string]string{
	"synchronous": "", "threading": "Threading", "forking": "Forking",
	"tcp": "TCPServer", "udp": "UDPServer", "unix": "UnixStreamServer", "unixgram": "UnixDatagramServer",
}

// describe returns the subject of the report, with its concurrency block as in a configuration.
func describe(s subject.Spec) result.Subject {
	c := s.Server.Concurrency
	if c.MaxRequests == 1 {
		c.MaxRequests = 0
	}
	var set []string
	for _, o := range []struct {
		name  string
		value int
	}{
		{"max_threads", c.MaxThreads},
		{"max_children", c.MaxChildren},
		{"spares", c.Spares},
		{"max_requests", c.MaxRequests},
		{"workers", c.Workers},
	} {
		if o.value > 0 && s.Form != result.Python {
			set = append(set, fmt.Sprintf(" %s = %d", o.name, o.value))
		}
	}
	block := c.Kind + " {}"
	if len(set) > 0 {
		block = c.Kind + " {" + strings.Join(set, ",") + " }"
	}
	return result.Subject{Name: s.Name, Strategy: c.Kind, Form: s.Form, Concurrency: block}
}
