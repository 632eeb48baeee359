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
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
	"github.com/go-socketserver/socketserver/framework/proxyproto"
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
	Defined map[string]*Plugin // by name
	Log     Log
	Admin   Admin
	Metrics Metrics
	Page    Page
	Cluster Cluster
	Watch   bool      // reload when one of Sources changes
	Servers []*Server // in the order of the files and of the blocks in them

	// Sources are patterns of the paths that were read: files, all .hcl files of a directory,
	// and what was included.
	Sources []string
	Sum     string // of Sources, when they had been read

	// PluginFiles are patterns of the paths of what plugins are made of that are replaced when it changes. The
	// catalog's Prepare sets them.
	PluginFiles []string
	PluginSum   string // of PluginFiles, before a plugin was built or started

	Places map[string]Place // of the addresses and paths in the blocks metrics, page, admin and log
}

// Admin is the block of that name.
type Admin struct {
	Socket *string  // nil: the default path; empty: none
	Allow  []string // "user:NAME" and "group:NAME" besides root and the daemon's user
}

// Metrics is the block of that name.
type Metrics struct {
	Address string // host:port; empty: there are none over TCP
}

// Page is the block of that name.
type Page struct {
	Address  string // host:port; empty: there is none
	ReadOnly bool   // it takes no commands
}

// DefaultPage is the address of a page that is asked for without one.
const DefaultPage = "localhost:7070"

// CheckPage returns an error if there can be no page at an address.
func CheckPage(address string) error {
	if f := checkAddress("tcp", address); f != nil {
		return errors.New(f.message + "; " + f.next)
	}
	return nil
}

// Plugins is the block of that name.
type Plugins struct {
	Directory string // default: "plugins" beside the first file
	Lock      string // the path of plugins.lock, beside the first file
	Locked    bool   // each plugin has to be in Lock
}

// Log is the block of that name. What is empty is not set.
type Log struct {
	Level, Format string
	Access        string // path of the access log, or "-" for standard output; empty: there is none
}

// A Server is a server block with its defaults.
type Server struct {
	Name        string             `json:"name"`
	Transports  []Transport        `json:"transport"`
	Concurrency Concurrency        `json:"concurrency"`
	Handler     Handler            `json:"handler"`
	Access      Access             `json:"access"`
	Limits      Limits             `json:"limits"`
	Timeouts    framework.Timeouts `json:"timeouts"`
	State       *State             `json:"state,omitempty"` // nil: its handler uses none
	Process     Process            `json:"process"`
	AccessLog   bool               `json:"access_log"` // its requests are in the access log, where there is one

	Recycle Recycle `json:"recycle"` // of its plugin
	Replace Replace `json:"replace"` // likewise

	// Class is the catalog's class of Handler. The caller closes it.
	Class *framework.HandlerClass `json:"-"`
}

// A Transport is where a server listens. Zero values mean the framework's defaults.
type Transport struct {
	Network string `json:"network"` // tcp, udp, unix, unixpacket, unixgram or vsock
	Address string `json:"address"` // host:port, the path of a Unix socket, or CID:port of vsock

	framework.SocketOptions
	ReadBuffer  int  `json:"read_buffer"`         // of connections, in bytes, as in [framework.BaseServer]
	WriteBuffer int  `json:"write_buffer"`        // likewise
	Multipath   bool `json:"multipath,omitempty"` // Multipath TCP was asked for; it is used anyway, unless SinglePath

	TLS       *layer.TLSFiles    `json:"tls,omitempty"`       // of tcp and websocket; nil: plain
	WebSocket *websocket.Options `json:"websocket,omitempty"` // of a transport "websocket", which has the Network "tcp"; nil for others

	ProxyProtocol *proxyproto.Options `json:"proxy_protocol,omitempty"` // of tcp and websocket; nil: clients connect themselves

	At Place `json:"-"` // of Address
}

// Word is the label of the transport's block.
func (t *Transport) Word() string {
	if t.WebSocket != nil {
		return "websocket"
	}
	return t.Network
}

// Datagrams reports whether requests are datagrams, and not connections.
func (t *Transport) Datagrams() bool { return t.Network == "udp" || t.Network == "unixgram" }

// A Handler is what a server does.
type Handler struct {
	Kind    string          `json:"kind"` // handler: compiled in; plugin: its own program
	Name    string          `json:"name"`
	Options json.RawMessage `json:"options,omitempty"` // an object

	// Program identifies what the plugin's executable contains. The catalog's Prepare sets it.
	Program string `json:"program"`
	// Concurrency is the strategy that a plugin's process is configured with; empty: with none. The
	// catalog's Prepare sets it.
	Concurrency string `json:"concurrency,omitempty"`

	// Directory is the base of relative paths in Options: the file's directory, or the
	// current one for a server of the command line.
	Directory string `json:"directory"`
}

// Access is who may come in, as in [framework.Access]. Equal lists have equal text.
type Access struct {
	Allow []netip.Prefix `json:"allow"` // nil: everybody
	Deny  []netip.Prefix `json:"deny"`
}

// Limits bound the requests of one server. 0 is no limit.
type Limits struct {
	Connections int    `json:"connections"`
	PerSource   int    `json:"per_source"`
	Refuse      bool   `json:"refuse"`  // close connections beyond Connections and Rate instead of letting them wait
	Banner      string `json:"banner"`  // sent to refused clients
	Line        int    `json:"line"`    // bytes of a line that rfile's line methods return
	Answers     int    `json:"answers"` // bytes a second to one source beyond what that sent (udp, unixgram)

	Rate          framework.Rate `json:"rate"`
	RatePerSource framework.Rate `json:"rate_per_source"`
	Penalty       time.Duration  `json:"penalty"` // how long a source that exceeds RatePerSource is refused
}

// NewLimits returns the limits for the servers that share them.
func (s *Server) NewLimits() *framework.Limits {
	l := s.Limits
	return &framework.Limits{
		Access: framework.Access(s.Access), Connections: l.Connections, PerSource: l.PerSource,
		Rate: l.Rate, RatePerSource: l.RatePerSource, Penalty: l.Penalty, Refuse: l.Refuse, Banner: l.Banner, Answers: l.Answers,
	}
}

// Lowered returns what the framework lowers a PerSource to that is not the default; 0: it does not.
func (s *Server) Lowered() int {
	most := s.Limits.Connections / 2
	if most == 0 || s.Limits.PerSource <= most || s.Limits.PerSource == s.Concurrency.perSource() {
		return 0
	}
	return most
}

// MaxLine returns Line as the framework has it: less than 0 is no limit there.
func (l Limits) MaxLine() int {
	if l.Line == 0 {
		return -1
	}
	return l.Line
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

// notSet is a PerSource that check replaces by the default.
const notSet = -1

func defaultLimits() Limits {
	return Limits{Connections: 1000, PerSource: notSet, Line: 64 << 10, Answers: 64 << 10}
}

func defaultTimeouts() framework.Timeouts {
	return framework.Timeouts{Idle: 2 * time.Minute, IdleIsDefault: true, Write: 10 * time.Second, Drain: 10 * time.Second, Handshake: 5 * time.Second}
}
