package config

import (
	"cmp"
	"path/filepath"

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

	limits   Limits // the defaults of every server
	timeouts framework.Timeouts
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
	concurrency hcl.Range
	spares      hcl.Range
	workers     hcl.Range
	handler     hcl.Range
	options     map[string]hcl.Range
}

func newReader() *reader {
	return &reader{
		problems: problems{sources: map[string][]byte{}},
		limits:   defaultLimits(), timeouts: defaultTimeouts(),
	}
}

// finish reads the blocks of all files and checks the result.
func (r *reader) finish(catalog Catalog) (*Config, error) {
	if !r.broken {
		r.readFiles()
		r.check(catalog)
	}
	if err := r.err(); err != nil {
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
		b.read(nil, blocks{
			"plugins":  once(func(h *hclsyntax.Block) { r.readPlugins(b.bare(h)) }),
			"log":      once(func(h *hclsyntax.Block) { r.readLog(b.bare(h)) }),
			"defaults": once(func(h *hclsyntax.Block) { r.readDefaults(b.bare(h)) }),
			"server":   repeat(func(h *hclsyntax.Block) { servers = append(servers, func() { b.readServer(h) }) }),
			"plugin":   nil, "admin": nil, "metrics": nil,
		})
	}
	for _, read := range servers {
		read()
	}
	if len(r.files) > 0 {
		first := r.files[0]
		r.config.Plugins.Directory = cmp.Or(r.config.Plugins.Directory, filepath.Join(filepath.Dir(first.name), "plugins"))
		if len(r.servers) == 0 && len(r.list) == 0 {
			r.add(hcl.Range{Filename: first.name}, faultf(`add one, as in server "echo" { ... }`, "there is no server"))
		}
	}
}

func (r *reader) readPlugins(b *block) {
	var directory string
	b.read(attributes{"directory": quoted(&directory)}, nil)
	if directory != "" {
		r.config.Plugins.Directory = b.source.beside(directory)
	}
}

func (r *reader) readLog(b *block) {
	l := &r.config.Log
	b.read(attributes{
		"level":  choice(func(s string) { l.Level = s }, "trace", "debug", "info", "warn", "error"),
		"format": choice(func(s string) { l.Format = s }, "text", "json"),
	}, nil)
}

func (r *reader) readDefaults(b *block) {
	b.read(nil, blocks{
		"limits":   once(func(h *hclsyntax.Block) { b.readLimits(h, &r.limits) }),
		"timeouts": once(func(h *hclsyntax.Block) { b.readTimeouts(h, &r.timeouts) }),
	})
}

func (b *block) readLimits(h *hclsyntax.Block, l *Limits) {
	b.bare(h).read(attributes{
		"connections": integer(&l.Connections, 0, count),
		"per_source":  integer(&l.PerSource, 0, count),
		"when_full":   choice(func(s string) { l.Refuse = s == "refuse" }, "wait", "refuse"),
		"banner":      quoted(&l.Banner),
		"line":        integer(&l.Line, 0, 1<<30),
		"answers":     byteRate(&l.Answers),
		"rate":        nil, "rate_per_source": nil, "penalty": nil, "burst": nil, "allow": nil, "deny": nil,
	}, nil)
}

func (b *block) readTimeouts(h *hclsyntax.Block, t *framework.Timeouts) {
	idle := duration(&t.Idle)
	b.bare(h).read(attributes{
		"idle": func(v cty.Value) *fault {
			t.IdleIsDefault = t.IdleIsDefault && v.IsNull()
			return idle(v)
		},
		"read": duration(&t.Read), "write": duration(&t.Write),
		"request": duration(&t.Request), "drain": duration(&t.Drain),
	}, nil)
}
