package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/framework"
)

// Flags are one server of the command line.
type Flags struct {
	Listen          []string // URLs: tcp://host:port, tls://host:port, ws://host:port/path, wss://host:port/path, udp://host:port, unix:///path, unixgram:///path
	Concurrency     string   // empty: threading
	Handler, Plugin string   // one of them; it names the server, too
	Set             []string // options of the handler, as key=value
	PluginDirectory string   // empty: plugins
	Certificate     string   // of addresses tls:// and wss://, in PEM
	Key             string   // its key; empty: it is in Certificate
	PluginPath      string   // of the plugin, wherever it is; empty: it is in PluginDirectory
}

// FromFlags makes the configuration of one server, with the defaults and checks of a
// file. Paths are relative to the current directory. A value of Set is JSON if it is valid
// JSON and the option accepts it, and text otherwise.
func FromFlags(f Flags, catalog Catalog) (*Config, error) {
	r := newReader()
	r.config.Plugins.Directory = cmp.Or(f.PluginDirectory, "plugins")
	r.config.Plugins.Lock = "plugins.lock"
	if f.PluginPath != "" {
		r.config.Defined = map[string]*Plugin{f.Plugin: {Path: f.PluginPath}}
	}
	d := &draft{
		Server: &Server{Access: r.access, Limits: r.limits, Timeouts: r.timeouts, AccessLog: true}, at: hcl.Range{Filename: "command line"}, typed: true,
		options: map[string]hcl.Range{}, state: r.state,
	}
	for _, url := range f.Listen {
		r.listen(d, url, f)
	}
	if secure := func(url string) bool { _, secure := wordOf(strings.SplitN(url, ":", 2)[0]); return secure }; !slices.ContainsFunc(f.Listen, secure) && f.Certificate+f.Key != "" {
		r.add(flag("certificate", f.Certificate), faultf("write --listen tls://host:port, or leave --certificate and --key out", "no address is a tls:// or wss:// one"))
	}
	if len(f.Listen) == 0 {
		r.add(flag("listen", ""), faultf("add it, as in --listen tcp://localhost:9000", "it is missing"))
	}
	kind := cmp.Or(f.Concurrency, "threading")
	d.Concurrency, d.concurrency = DefaultConcurrency(kind), flag("concurrency", kind)
	if fault := checkConcurrency(kind); fault != nil {
		r.add(d.concurrency, fault)
	}
	values := &textCatalog{catalog, map[string]any{}}
	r.handle(d, f, values)
	r.servers = []*draft{d}
	r.config.Servers = []*Server{d.Server}
	return r.finish(values)
}

func (r *reader) listen(d *draft, url string, flags Flags) {
	at := flag("listen", url)
	scheme, address, ok := strings.Cut(url, "://")
	word, secure := wordOf(scheme)
	t, web := newTransport(word)
	if t.WebSocket != nil {
		address, web.Path = splitPath(address)
	}
	if secure {
		if t.TLS = r.flagTLS(at, flags); t.TLS == nil {
			return
		}
	}
	grammar := transportGrammar(&t, web, filepath.Clean)
	switch _, known := grammar[word]; {
	case !ok:
		r.add(at, faultf("write it as in tcp://localhost:9000 or unix:///run/server.sock", "this is not a URL"))
	case !known:
		r.add(at, unknownName("transport", scheme, append(names(grammar), "tls", "ws", "wss")))
	default:
		if f := grammar[word]["address"](cty.StringVal(address)); f != nil {
			r.add(at, f)
			return
		}
		d.Transports = append(d.Transports, t)
		d.transports = append(d.transports, at)
	}
}

// wordOf returns the label of the transport that a scheme of URLs stands for, and whether it has TLS.
func wordOf(scheme string) (word string, secure bool) {
	switch scheme {
	case "tls":
		return "tcp", true
	case "ws", "wss":
		return "websocket", scheme == "wss"
	}
	return scheme, false
}

// splitPath returns the host and port, and the path, of what follows the scheme of a URL.
func splitPath(address string) (host, path string) {
	host, path, _ = strings.Cut(address, "/")
	return host, "/" + path
}

func (r *reader) handle(d *draft, f Flags, c *textCatalog) {
	switch {
	case f.Handler != "" && f.Plugin != "":
		r.add(flag("plugin", f.Plugin), faultf("leave one of them", "--handler excludes it"))
		return
	case f.Handler != "":
		d.Handler, d.handler = Handler{Kind: "handler", Name: f.Handler, Directory: "."}, flag("handler", f.Handler)
	case f.Plugin != "":
		d.Handler, d.handler = Handler{Kind: "plugin", Name: f.Plugin, Directory: "."}, flag("plugin", f.Plugin)
	default:
		r.add(flag("handler", ""), faultf("add it, or --plugin", "it is missing"))
		return
	}
	d.Name = serverName(d.Handler.Name)
	for _, set := range f.Set {
		at := flag("set", set)
		key, value, ok := strings.Cut(set, "=")
		switch _, again := c.values[key]; {
		case !ok || key == "":
			r.add(at, faultf("write it as in --set framing=line", "this is not key=value"))
			continue
		case again:
			r.add(at, faultf("leave one of them", "the option %q is set twice", key))
			continue
		}
		d.options[key] = at
		c.values[key] = value
		if json.Valid([]byte(value)) {
			c.values[key] = json.RawMessage(value)
		}
	}
	d.Handler.Options, _ = json.Marshal(c.values) // valid as its parts are
}

// textCatalog decides the type of command-line values. Only the handler knows the types of
// its options, so a value that it refuses as JSON is tried as text.
type textCatalog struct {
	Catalog
	values map[string]any // text or JSON, by option
}

func (c *textCatalog) Class(s *Server) (*framework.HandlerClass, error) {
	class, err := c.Catalog.Class(s)
	for _, option := range optionErrors(err) {
		value, isJSON := c.values[option.Option].(json.RawMessage)
		if !isJSON {
			continue
		}
		given := s.Handler.Options
		c.values[option.Option] = string(value)
		s.Handler.Options, _ = json.Marshal(c.values)
		again, failed := c.Catalog.Class(s)
		if slices.ContainsFunc(optionErrors(failed), func(e *framework.OptionError) bool { return e.Option == option.Option }) {
			s.Handler.Options, c.values[option.Option] = given, value // the error is about the value as written
			continue
		}
		class, err = again, failed
	}
	return class, err
}

// optionErrors returns the parts of err that are about an option.
func optionErrors(err error) []*framework.OptionError {
	var all []*framework.OptionError
	for _, one := range separate(err) {
		if option := (*framework.OptionError)(nil); errors.As(one, &option) {
			all = append(all, option)
		}
	}
	return all
}
