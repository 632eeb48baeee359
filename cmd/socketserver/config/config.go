// Package config reads servers.hcl: a file or a directory of files becomes a [Config]
// that is complete and checked, or an error that lists everything wrong with it.
//
// Reading has four steps. The guard bounds a source, because HCL's parser recurses and
// deep nesting would exhaust the stack. The source is parsed. Every block is read by a
// grammar: a table of its attributes and blocks. Checks that need more than one attribute,
// such as clashing addresses, run after all blocks are read. A server of the command line
// skips the grammar and shares the rest.
package config

import (
	"runtime"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A Catalog knows the handlers and plugins.
type Catalog interface {
	// Prepare is called once, before Names and Class, with everything that was read.
	// c may still contain errors.
	Prepare(c *Config)
	// Names returns the known names, for suggestions; kind is "handler" or "plugin". An
	// empty result means unknown: then Class decides.
	Names(kind string) []string
	// Class makes the class of a server. Its error may be or join [framework.OptionError],
	// each of which is shown at its option. If plugins are skipped, both results are nil
	// and the class is not checked.
	Class(s *Server) (*framework.HandlerClass, error)
}

// A Config is a valid configuration.
type Config struct {
	Plugins Plugins
	Log     Log
	Servers []*Server // in the order of the files and of the blocks in them
}

// Plugins is the block of that name.
type Plugins struct {
	Directory string // default: "plugins" beside the first file
}

// Log is the block of that name. What is empty is not set.
type Log struct{ Level, Format string }

// A Server is a server block with all its defaults.
type Server struct {
	Name        string
	Transports  []Transport
	Concurrency Concurrency
	Handler     Handler
	Limits      Limits
	Timeouts    framework.Timeouts

	// Class is the catalog's class of Handler. The caller closes it.
	Class *framework.HandlerClass `json:"-"`
}

// A Transport is where a server listens. Sizes are in bytes.
type Transport struct {
	Network string // tcp, udp, unix or unixgram
	Address string // host:port, or the path of a Unix socket

	RequestQueueSize int           // tcp, unix
	ReadBuffer       int           // tcp, unix
	WriteBuffer      int           // tcp, unix; 0: unbuffered; -1: not set, so the handler's own
	ReusePort        bool          // tcp
	NoDelay          bool          // tcp
	KeepAlive        time.Duration // tcp; 0: none
	MaxPacketSize    int           // udp, unixgram
	Mode             uint32        // unix, unixgram: the permission of the socket
}

// Concurrency is where requests run.
type Concurrency struct {
	Kind          string // synchronous, threading, forking or preforking
	MaxThreads    int    // threading; 0: no bound
	MaxChildren   int    // forking, and so are the following
	Spares        int
	MaxRequests   int
	Workers       int  // preforking
	IsolatedState bool // forking, preforking: allow a handler with state, of which every process has its own
}

// A Handler is what a server does.
type Handler struct {
	Kind    string // handler: compiled in; plugin: its own program
	Name    string
	Options []byte // a JSON object

	// Directory is the base of relative paths in Options: the file's directory, or the
	// current one for a server of the command line.
	Directory string
}

// UsesProcesses reports whether requests run in several processes, each with its own memory.
func (c Concurrency) UsesProcesses() bool { return c.Kind == "forking" || c.Kind == "preforking" }

// Limits bound the requests of one server. 0 is no limit.
type Limits struct {
	Connections int
	PerSource   int
	Refuse      bool   // close connections beyond Connections instead of letting them wait
	Banner      string // sent to refused clients
}

// Load reads a file, or all .hcl files of a directory in the order of their names. The
// error is an [*Errors] with all that is wrong. Together the files are at most 1 MiB.
func Load(path string, catalog Catalog) (*Config, error) {
	r := newReader()
	r.load(path)
	return r.finish(catalog)
}

// Parse is Load for one source in memory. Relative paths are relative to filename.
func Parse(filename string, src []byte, catalog Catalog) (*Config, error) {
	r := newReader()
	r.parse(filename, src)
	return r.finish(catalog)
}

// ServerNames returns the names of the servers at path, as far as it can be parsed.
func ServerNames(path string) []string {
	r := newReader()
	r.load(path)
	var names []string
	for _, s := range r.files {
		for _, h := range s.body.Blocks {
			if h.Type == "server" && len(h.Labels) == 1 {
				names = append(names, h.Labels[0])
			}
		}
	}
	return names
}

// Concurrencies are the kinds of [Concurrency].
func Concurrencies() []string { return names(concurrencyGrammar(new(Concurrency))) }

func defaultTransport(network string) Transport {
	t := Transport{Network: network}
	switch network {
	case "tcp", "unix":
		t.RequestQueueSize, t.ReadBuffer, t.WriteBuffer = 128, 4096, -1
	case "udp", "unixgram":
		t.MaxPacketSize = 8192
	}
	switch network {
	case "tcp":
		t.NoDelay, t.KeepAlive = true, 15*time.Second
	case "unix", "unixgram":
		t.Mode = 0o600
	}
	return t
}

// DefaultConcurrency returns the defaults of a concurrency block of that kind.
func DefaultConcurrency(kind string) Concurrency {
	c := Concurrency{Kind: kind}
	switch kind {
	case "forking":
		c.MaxChildren, c.MaxRequests = 40, 1
	case "preforking":
		c.Workers = runtime.GOMAXPROCS(0)
	}
	return c
}

// notSet is a PerSource that check replaces by the default.
const notSet = -1

func defaultLimits() Limits { return Limits{Connections: 1000, PerSource: notSet} }

func defaultTimeouts() framework.Timeouts {
	return framework.Timeouts{Idle: 2 * time.Minute, IdleIsDefault: true, Write: 10 * time.Second, Drain: 10 * time.Second}
}

// perSource is the default: one client takes at most half of the strategy's capacity.
func (c Concurrency) perSource() int {
	const usual = 64
	if bound := max(c.MaxThreads, c.MaxChildren); bound > 0 {
		return max(1, min(usual, bound/2))
	}
	return usual
}
