package config

import (
	"cmp"
	"errors"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/go-socketserver/socketserver/framework"
)

// reader turns sources into a Config and collects their errors.
type reader struct {
	problems
	guard  guard
	files  []*source
	broken bool // a file was not parsed, so that anything missing may be in it

	texts     map[string][]byte // of files, as they were read
	including []string          // the files that are being read, each included by the one before

	directories []usedDirectory

	access   Access // the defaults of every server
	limits   Limits
	timeouts framework.Timeouts
	state    State
	process  Process
	config   Config
	servers  []*draft
}

// draft is a server while its parts are read, with their places.
type draft struct {
	*Server
	block string // in errors, with a colon
	at    hcl.Range
	typed bool // on the command line, which has no blocks and attributes
	// blocks are those present, even invalid ones, so that they are not reported missing.
	blocks      map[string]hcl.Range
	transports  []hcl.Range
	isolated    []hcl.Range // what keeps the keys of each transport in the server, of those of a file
	preambles   []hcl.Range // the time for a PROXY header of each transport, likewise
	concurrency hcl.Range
	spares      hcl.Range
	workers     hcl.Range
	penalty     hcl.Range // of its own limits
	handler     hcl.Range
	options     map[string]hcl.Range
	state       State // State, if the class uses one
}

func newReader() *reader {
	return &reader{
		problems: problems{sources: map[string][]byte{}}, texts: map[string][]byte{},
		limits: defaultLimits(), timeouts: defaultTimeouts(), state: State{Backend: "memory"},
		config: Config{Places: map[string]Place{}},
	}
}

// finish reads the blocks of all files and checks the result.
func (r *reader) finish(catalog Catalog) (*Config, error) {
	if !r.broken {
		r.readFiles()
	}
	if r.config.Plugins.Locked {
		r.config.Sources = append(r.config.Sources, r.config.Plugins.Lock)
	}
	r.config.Sum = sumOf(r.config.Sources, r.texts)
	if !r.broken {
		r.check(catalog)
	}
	err := r.err()
	if list := (*Errors)(nil); errors.As(err, &list) {
		list.Sources, list.Sum = r.config.Sources, r.config.Sum
	}
	if err != nil {
		return nil, err
	}
	return &r.config, nil
}

// readFiles reads the blocks that apply to every server, then the servers.
func (r *reader) readFiles() {
	first := map[string]hcl.Range{}
	var servers []func()
	for _, s := range r.files {
		b := &block{reader: r, source: s, body: s.body, at: hcl.Range{Filename: s.name}, first: first}
		b.read(attributes{"include": func(cty.Value) *fault { return nil }}, blocks{ // see include
			"plugins":  once(func(h *hclsyntax.Block) { r.readPlugins(b.bare(h)) }),
			"log":      once(func(h *hclsyntax.Block) { r.readLog(b.bare(h)) }),
			"admin":    once(func(h *hclsyntax.Block) { r.readAdmin(b.bare(h)) }),
			"reload":   once(func(h *hclsyntax.Block) { b.bare(h).read(attributes{"watch": boolean(&r.config.Watch)}, nil) }),
			"defaults": once(func(h *hclsyntax.Block) { r.readDefaults(b.bare(h)) }),
			"server":   repeat(func(h *hclsyntax.Block) { servers = append(servers, func() { b.readServer(h) }) }),
			"plugin":   repeat(b.readPlugin),
			"metrics":  once(func(h *hclsyntax.Block) { r.readMetrics(b.bare(h)) }),
			"page":     once(func(h *hclsyntax.Block) { r.readPage(b.bare(h)) }),
			"cluster":  once(func(h *hclsyntax.Block) { r.readCluster(b.bare(h)) }),
		})
	}
	for _, read := range servers {
		read()
	}
	for _, d := range r.servers {
		if p := r.config.Defined[d.Handler.Name]; d.Handler.Kind == "plugin" && p != nil {
			d.Recycle, d.Replace = p.Recycle, p.Replace
		}
	}
	if len(r.files) > 0 {
		first := r.files[0]
		r.config.Plugins.Lock = filepath.Join(filepath.Dir(first.name), "plugins.lock")
		r.config.Plugins.Directory = cmp.Or(r.config.Plugins.Directory, filepath.Join(filepath.Dir(first.name), "plugins"))
	}
}

func (r *reader) readAdmin(b *block) {
	a := &r.config.Admin
	b.read(attributes{
		"socket": typed(cty.String, "the path of a socket, or \"\" for none", func(path string) *fault {
			if path != "" {
				if path = b.source.beside(path); len(path) > maxSocketPath {
					return checkAddress("unix", path)
				}
			}
			a.Socket = &path
			return nil
		}),
		"allow": texts(func(who []string) *fault {
			if runtime.GOOS != "linux" {
				return faultf("remove it; root and the user of the daemon may use the socket", "admin.allow needs Linux, which tells who a client is")
			}
			for _, w := range who {
				if kind, name, _ := strings.Cut(w, ":"); name == "" || kind != "user" && kind != "group" {
					return faultf(`write "user:NAME" or "group:NAME"`, "%q is neither a user nor a group", w)
				}
			}
			a.Allow = who
			return nil
		}),
	}, nil)
	r.config.Places["admin"] = r.placeOf(b.place("socket"))
}

func (r *reader) readMetrics(b *block) {
	b.read(attributes{"address": typed(cty.String, "an address in quotes", func(address string) *fault {
		r.config.Metrics.Address = address
		return checkAddress("tcp", address)
	})}, nil)
	if b.body.Attributes["address"] == nil {
		b.problem(b.at, faultf(`add address = "localhost:9090"`, "there is no address"))
	}
	r.config.Places["metrics"] = r.placeOf(b.place("address"))
}

func (r *reader) readPage(b *block) {
	p := &r.config.Page
	p.Address = DefaultPage
	b.read(attributes{
		"address": typed(cty.String, "an address in quotes", func(address string) *fault {
			p.Address = address
			return checkAddress("tcp", address)
		}),
		"read_only": boolean(&p.ReadOnly),
	}, nil)
	r.config.Places["page"] = r.placeOf(b.place("address"))
}

func (r *reader) readLog(b *block) {
	l := &r.config.Log
	b.read(attributes{
		"level":  choice(func(s string) { l.Level = s }, "trace", "debug", "info", "warn", "error"),
		"format": choice(func(s string) { l.Format = s }, "text", "json"),
		"access": typed(cty.String, `a path in quotes, or "-" for standard output`, func(path string) *fault {
			if path == "" {
				return faultf(`write a path, or "-" for standard output`, "the path is empty")
			}
			if l.Access = path; path != "-" {
				l.Access = b.source.beside(path)
			}
			return nil
		}),
		"file": nil,
	}, nil)
	r.config.Places["log"] = r.placeOf(b.place("access"))
}

func (r *reader) readDefaults(b *block) {
	b.read(nil, blocks{
		"access":   once(func(h *hclsyntax.Block) { b.readAccess(h, &r.access) }),
		"limits":   once(func(h *hclsyntax.Block) { b.readLimits(h, &r.limits) }),
		"timeouts": once(func(h *hclsyntax.Block) { b.readTimeouts(h, &r.timeouts) }),
		"state":    once(func(h *hclsyntax.Block) { b.readDefaultState(h) }),
		"process":  once(func(h *hclsyntax.Block) { b.readProcess(h, &r.process) }),
	})
}

// readLimits returns where penalty is, if it is there.
func (b *block) readLimits(h *hclsyntax.Block, l *Limits) (penalty hcl.Range) {
	i := b.bare(h)
	i.read(attributes{
		"connections": integer(&l.Connections, 0, count),
		"per_source":  integer(&l.PerSource, 0, count),
		"when_full":   choice(func(s string) { l.Refuse = s == "refuse" }, "wait", "refuse"),
		"banner":      quoted(&l.Banner),
		"line":        integer(&l.Line, 0, 1<<30),
		"answers":     byteRate(&l.Answers),
		"rate":        rate(&l.Rate), "rate_per_source": rate(&l.RatePerSource), "penalty": duration(&l.Penalty),
	}, nil)
	if i.body.Attributes["penalty"] != nil {
		penalty = i.place("penalty")
	}
	return penalty
}

func (b *block) readAccess(h *hclsyntax.Block, a *Access) {
	b.bare(h).read(attributes{"allow": someNetworks(&a.Allow), "deny": networks(&a.Deny)}, nil)
}

func (b *block) readTimeouts(h *hclsyntax.Block, t *framework.Timeouts) {
	idle := duration(&t.Idle)
	b.bare(h).read(attributes{
		"idle": func(v cty.Value) *fault {
			t.IdleIsDefault = t.IdleIsDefault && v.IsNull()
			return idle(v)
		},
		"read": duration(&t.Read), "write": duration(&t.Write),
		"request": duration(&t.Request), "drain": duration(&t.Drain), "handshake": duration(&t.Handshake),
	}, nil)
}
