package compare

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/internal/text"
)

// Python is the peer with CPython's own servers.
const Python = "python"

// Peers are the servers of others that run the same handler.
var Peers = []string{Python, subject.Asyncio, subject.Twisted}

// A strategy is a way to run a server, by the name that users type.
type strategy struct {
	name        string
	form        string // see result.Subject
	peer        string // of Peers; empty: this project's
	interpreter string // of Python; empty: that of the script, or python3
	concurrency config.Concurrency
}

// choose returns the strategies to compare, and warnings about those that the kind of the plugin leaves
// out. Those of Python without a counterpart of the handler are among them: subject.Start finds that
// out.
func (o *Options) choose() (chosen []strategy, warnings []string, err error) {
	if o.Table != "" {
		return o.stevens()
	}
	peers := o.servers()
	for _, name := range result.Names(o.Strategies) {
		s, err := o.parse(name, peers)
		if err != nil {
			return nil, nil, err
		}
		if why := o.refuses(s); why != "" {
			return nil, nil, fmt.Errorf("%s %s", s.name, why)
		}
		if !slices.ContainsFunc(chosen, func(other strategy) bool { return other.name == s.name }) {
			chosen = append(chosen, s)
		}
	}
	if len(o.Strategies) == 0 {
		for _, name := range o.usual() {
			s, err := o.parse(name, nil)
			if err != nil {
				return nil, nil, err
			}
			if why := o.refuses(s); why != "" {
				warnings = append(warnings, s.name+" is left out: it "+why)
				continue
			}
			chosen = append(chosen, s)
		}
	}
	for _, s := range peers {
		asked := slices.Contains(o.Peers, s.peer) || s.peer == Python && len(o.Strategies) == 0 && o.Plugin.Kind == plugin.Python
		if asked && (s.concurrency.Kind != "synchronous" || o.datagrams()) {
			chosen = append(chosen, s)
		}
	}
	return chosen, warnings, nil
}

func (o *Options) isPlugin() bool { return o.Base.Handler.Kind == "plugin" }

// usual returns the names of the strategies that are compared by default. Children that are used again
// have the numbers of the configuration.
func (o *Options) usual() []string {
	if o.isPlugin() {
		return []string{"threading", "forking", "preforking"}
	}
	requests, spares := 100, 4
	if own := o.Base.Concurrency; own.Kind == "forking" {
		if own.MaxRequests > 1 {
			requests = own.MaxRequests
		}
		spares = max(own.Spares, min(spares, own.MaxChildren))
	}
	reused := fmt.Sprintf("forking, max_requests = %d, spares = %d", requests, spares)
	return []string{"synchronous", "threading", "forking", reused, "preforking", "plugin threading", "plugin forking", "plugin preforking"}
}

// servers returns those of the peers, with the names of their classes.
func (o *Options) servers() []strategy {
	class := classes[o.Network]
	all := []strategy{
		{name: "CPython " + class, peer: Python, concurrency: config.Concurrency{Kind: "synchronous"}},
		{name: "CPython Threading" + class, peer: Python, concurrency: config.DefaultConcurrency("threading")},
		{name: "CPython Forking" + class, peer: Python, concurrency: config.DefaultConcurrency("forking")},
		{name: "CPython asyncio", peer: subject.Asyncio, concurrency: config.Concurrency{Kind: subject.Asyncio}},
		{name: "Twisted", peer: subject.Twisted, concurrency: config.Concurrency{Kind: subject.Twisted}},
	}
	for i := range all {
		all[i].form = result.Python
		if own := o.Base.Concurrency; own.Kind == all[i].concurrency.Kind {
			all[i].concurrency = own
		}
	}
	return all
}

// classes are the names of CPython's servers by network.
var classes = map[string]string{
	"tcp": "TCPServer", "udp": "UDPServer", "unix": "UnixStreamServer", "unixgram": "UnixDatagramServer",
}

// parse returns the strategy of a name: words of a configuration, with plugin before them for a
// compiled-in handler in a plugin, or a server of a peer. A server with that kind of concurrency keeps
// its other limits.
func (o *Options) parse(name string, peers []strategy) (strategy, error) {
	if i := slices.IndexFunc(peers, func(s strategy) bool { return s.name == name }); i >= 0 {
		return peers[i], nil
	}
	form, words := result.Compiled, strings.Split(name, ", ")
	kind, ofPlugin := strings.CutPrefix(words[0], "plugin ")
	if ofPlugin || o.isPlugin() {
		form = result.Plugin
	}
	if o.isPlugin() {
		name = strings.TrimPrefix(name, "plugin ") // as the configuration has it
	}
	if kind == "distributed" {
		return strategy{}, errors.New("strategy \"distributed\" needs a cluster with workers on other machines, which compare does not start; run socketserver worker on each, and measure the server there")
	}
	if known := config.Concurrencies(); !slices.Contains(known, kind) {
		for _, s := range peers {
			known = append(known, s.name)
		}
		return strategy{}, fmt.Errorf("there is no strategy %q; %s", name, text.Hint(kind, known, "there are "+strings.Join(known, ", ")))
	}
	c := config.DefaultConcurrency(kind)
	if o.Base.Concurrency.Kind == kind {
		c = o.Base.Concurrency
	}
	if kind == "forking" {
		c.MaxRequests, c.Spares = 1, 0
	}
	for _, word := range words[1:] {
		if err := set(&c, word); err != nil {
			return strategy{}, fmt.Errorf("strategy %q: %w", name, err)
		}
	}
	return strategy{name: name, form: form, concurrency: c}, nil
}

// A setting is one of a concurrency block.
type setting struct {
	name  string
	value *int
	least int
}

func settings(c *config.Concurrency) []setting {
	return map[string][]setting{
		"threading":  {{"max_threads", &c.MaxThreads, 0}},
		"forking":    {{"max_children", &c.MaxChildren, 1}, {"max_requests", &c.MaxRequests, 1}, {"spares", &c.Spares, 0}},
		"preforking": {{"workers", &c.Workers, 1}},
	}[c.Kind]
}

// set sets what a word says, as in spares = 4.
func set(c *config.Concurrency, word string) error {
	name, value, _ := strings.Cut(word, " = ")
	var known []string
	for _, s := range settings(c) {
		if s.name == name {
			const most = 1000
			n, err := strconv.Atoi(value)
			if err != nil || n < s.least || n > most {
				return fmt.Errorf("%s is a number from %d to %d", name, s.least, most)
			}
			*s.value = n
			return nil
		}
		known = append(known, s.name)
	}
	if len(known) == 0 {
		return fmt.Errorf("%s has no settings", c.Kind)
	}
	return fmt.Errorf("there is no %q; %s has %s", name, c.Kind, text.And(known))
}

// refuses returns why a strategy does not run the handler, as a predicate; empty: it does.
func (o *Options) refuses(s strategy) string {
	c := s.concurrency
	switch kind := o.Plugin.Kind; {
	case s.form != result.Plugin:
	case kind == plugin.Stdio && c.Kind == "preforking":
		return "cannot run a program that is started for each request; use forking"
	case (kind == plugin.Stdio || kind == plugin.Python) && c.Kind == "forking" && c.MaxRequests > 1:
		return "has nothing to reuse, as each request has a process of its own; use forking"
	}
	return ""
}

// spec returns the server of a strategy. Every process may have its own state, which the mishaps show.
func (s strategy) spec(base *config.Server, run plugin.Definition) subject.Spec {
	server := *base
	server.Class, server.Concurrency = nil, s.concurrency
	server.Concurrency.IsolatedState = server.Concurrency.UsesProcesses()
	server.Limits.PerSource, server.Limits.Answers = 0, 0 // all clients come from one address
	server.Limits.Banner = ""                             // it would be taken for an answer
	return subject.Spec{Name: s.name, Form: s.form, Server: server, Plugin: run, Interpreter: s.interpreter}
}

// describe returns the subject of the report.
func describe(s subject.Spec) result.Subject {
	c := s.Server.Concurrency
	return result.Subject{Name: s.Name, Strategy: c.Kind, Form: s.Form, Concurrency: block(c), Picture: picture(s)}
}

// block returns c as a configuration has it, without defaults.
func block(c config.Concurrency) string {
	defaults := config.DefaultConcurrency(c.Kind)
	usual, all := settings(&defaults), settings(&c)
	var set []setting
	widest := 0
	for i, s := range all {
		if *s.value != *usual[i].value {
			set, widest = append(set, s), max(widest, len(s.name))
		}
	}
	lines := ""
	for _, s := range set {
		lines += fmt.Sprintf("  %-*s = %d\n", widest, s.name, *s.value)
	}
	if lines != "" {
		lines = "\n" + lines
	}
	return fmt.Sprintf("concurrency %q {%s}", c.Kind, lines)
}

// picture draws the processes of a strategy with three clients: [ ] is one, ○ the listening socket
// where it accepts, and ● a goroutine, a thread or a callback with the connection of a client.
func picture(s subject.Spec) string {
	const each = " [●] [●] [●]"
	kind := s.Server.Concurrency.Kind
	apart := s.Form == result.Plugin // the server hands connections over
	switch {
	case kind == "forking", s.Form == result.Xinetd, s.Form == result.Systemd, apart && s.Plugin.Kind == plugin.Stdio:
		return "[○]" + each
	case kind == "preforking":
		return "[ ] [○●●] [○●]"
	case kind == "synchronous" && apart:
		return "[○] [●]"
	case kind == "synchronous":
		return "[○●]"
	case apart:
		return "[○] [●●●]"
	}
	return "[○●●●]"
}

// Strategies returns the concurrencies, which users can type with settings, and with plugin before them.
func Strategies() []string { return config.Concurrencies() }
