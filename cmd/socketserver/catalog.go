package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers"
	"github.com/go-socketserver/socketserver/internal/text"
)

// catalog has the compiled-in handlers, and the plugins, which it builds and starts.
type catalog struct {
	ctx         context.Context
	logs        logFlags
	log         hclog.Logger // from Prepare on
	skipPlugins bool
	only        string // the concurrency of the servers that have classes; empty: any

	// running returns the class of a server that runs, to be used again; nil: none runs.
	running func(*config.Server) *framework.HandlerClass

	directory string
	defined   map[string]*config.Plugin
	plugins   []string // in directory, and what was named and is none
	prepared  map[string]plugin.Definition
	problems  map[string]error // of plugins, by name
	opened    []*framework.HandlerClass
}

func newCatalog(ctx context.Context, logs logFlags) *catalog {
	return &catalog{ctx: ctx, logs: logs}
}

// Names implements [config.Catalog].
func (c *catalog) Names(kind string) []string {
	if kind == "plugin" {
		return c.plugins
	}
	return handlerNames()
}

// Prepare implements [config.Catalog]: it builds all plugins of the configuration at once.
func (c *catalog) Prepare(conf *config.Config) {
	if c.log == nil {
		c.log = c.logs.logger(conf.Log)
	}
	c.directory, c.defined = conf.Plugins.Directory, conf.Defined
	var lock *plugin.Lock
	var unread error
	if conf.Plugins.Locked && !c.skipPlugins {
		lock, unread = plugin.ReadLock(conf.Plugins.Lock)
	}
	wanted := map[string]plugin.Definition{}
	for _, s := range conf.Servers {
		if s.Handler.Kind == "plugin" && c.serves(s) {
			d := definition(conf.Defined[s.Handler.Name])
			d.Lock = lock
			wanted[s.Handler.Name] = d
		}
	}
	if c.skipPlugins {
		return
	}
	conf.PluginFiles = pluginFiles(conf)
	conf.PluginSum = config.Sum(conf.PluginFiles) // first: what changes from now on may be in the programs or not
	c.plugins = plugin.Names(c.directory)
	for name, d := range wanted {
		if len(c.plugins) > 0 && !slices.Contains(c.plugins, name) && (d.Path != "" || c.exists(name)) {
			c.plugins = append(c.plugins, name) // plugin.Prepare returns the reason
		}
	}
	if len(wanted) > 0 {
		c.prepared, c.problems = plugin.Prepare(c.ctx, c.directory, wanted, c.log)
		c.identify(conf.Servers)
	}
	for name := range wanted {
		if unread != nil {
			c.problems[name] = fmt.Errorf("plugin %q: %w", name, unread)
		}
	}
}

// definition returns how a plugin with that block, or none, is to run.
func definition(p *config.Plugin) plugin.Definition {
	if p == nil {
		return plugin.Definition{}
	}
	d := plugin.Definition{
		Kind: p.Kind, Path: p.Path, Declared: p.Options, Sum: p.Sum, Restart: plugin.Restart(p.Restart),
		Environment: p.Variables(), WorkingDirectory: cmp.Or(p.Directory, p.Beside), Limits: p.Limits, Sandbox: p.Sandbox,
	}
	if p.Command != nil {
		d.Command, d.Args = p.Command[0], p.Command[1:]
	}
	return d
}

// warnIneffective logs what does nothing as it is written: a limit that another one lowers, and a block about
// a plugin that no server of conf has, such as a misspelt name.
func warnIneffective(log hclog.Logger, conf *config.Config) {
	var used []string
	for _, s := range conf.Servers {
		if s.Handler.Kind == "plugin" {
			used = append(used, s.Handler.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(conf.Defined)) {
		if !slices.Contains(used, name) {
			next := text.Hint(name, used, "name it in a server, or remove the block")
			log.Warn("no server has this plugin, so its block does nothing", "plugin", name, "next", next)
		}
	}
	for _, s := range conf.Servers {
		if c := s.Concurrency; c.Kind == "forking" && s.Class != nil && s.Class.Isolates && (c.Spares > 0 || c.MaxRequests > 1) {
			log.Warn("the plugin has a process of its own for each request, so spares and max_requests do nothing", "server", s.Name, "plugin", s.Handler.Name, "next", "remove them")
		}
		if most := s.Lowered(); most > 0 {
			log.Warn("limits.per_source is more than half of limits.connections, and lowered to that", "server", s.Name, "per_source", s.Limits.PerSource, "half", most, "next", "lower limits.per_source or raise limits.connections")
		}
	}
}

// identify sets what the executables of plugins contain and how they run, so that a change is noticed.
// Workers are configured with the strategy: one of another strategy is another one.
func (c *catalog) identify(servers []*config.Server) {
	for _, s := range servers {
		if d := c.prepared[s.Handler.Name]; s.Handler.Kind == "plugin" && d.Path != "" {
			s.Handler.Program, _ = d.Digest() // an error is that of Open, too
			if d.Kind == plugin.Python || d.Kind == plugin.Worker {
				s.Handler.Concurrency = s.Concurrency.InProcess()
			}
		}
	}
}

// exists reports whether name may mean something in the directory, or a Go file that may be meant.
func (c *catalog) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(c.directory, name+".go"))
	return err == nil || plugin.Has(c.directory, name)
}

// serves reports whether a server has a class here.
func (c *catalog) serves(s *config.Server) bool { return c.only == "" || s.Concurrency.Kind == c.only }

// Class implements [config.Catalog].
func (c *catalog) Class(s *config.Server) (*framework.HandlerClass, error) {
	if !c.serves(s) {
		return nil, nil
	}
	if c.running != nil {
		if class := c.running(s); class != nil {
			return class, nil
		}
	}
	return c.newClass(s)
}

// newClass makes a class or starts a plugin.
func (c *catalog) newClass(s *config.Server) (*framework.HandlerClass, error) {
	if s.Handler.Kind == "handler" {
		h, ok := handlers.Lookup(s.Handler.Name)
		if !ok {
			return nil, fmt.Errorf("there is no handler %q", s.Handler.Name)
		}
		options, err := framework.AbsolutePaths(h.Options(), s.Handler.Options, s.Handler.Directory)
		if err != nil {
			return nil, err
		}
		return h.Class(options)
	}
	if c.skipPlugins {
		return nil, nil
	}
	if err := c.problems[s.Handler.Name]; err != nil {
		return nil, withoutName(err)
	}
	class, err := plugin.Open(c.ctx, plugin.Settings{
		Definition: c.of(s), Name: s.Handler.Name, Server: s.Name, Concurrency: s.Concurrency.InProcess(),
		Workers: s.Process.Limits, Options: s.Handler.Options, Directory: s.Handler.Directory, Timeouts: s.Timeouts, MaxLine: s.Limits.MaxLine(), Log: c.log.With("server", s.Name),
	})
	if err != nil {
		return nil, withoutName(err)
	}
	c.opened = append(c.opened, class)
	return class, nil
}

// of returns how the plugin of a server runs, with what its processes have of the server. A module has
// none of its own.
func (c *catalog) of(s *config.Server) plugin.Definition {
	d := c.prepared[s.Handler.Name]
	if d.Kind == plugin.Wasm {
		return d
	}
	block := config.Plugin{}
	if own := c.defined[s.Handler.Name]; own != nil {
		block = *own
	}
	p := s.Process.Under(block.Process)
	d.Environment, d.WorkingDirectory, d.Limits, d.Sandbox = p.Variables(), cmp.Or(p.Directory, block.Beside), p.Limits, p.Sandbox
	return d
}

// withoutName removes the plugin's name, which the configuration's error has already.
func withoutName(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// close ends the started plugins, if no server is going to use them.
func (c *catalog) close() {
	for _, class := range c.opened {
		if err := class.Close(); err != nil {
			c.log.Error("could not stop a plugin", "error", err)
		}
	}
}
