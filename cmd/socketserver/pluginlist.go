package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// A directory of plugins, and the configuration that uses it.
type pluginPlace struct {
	directory string
	lock      string       // the path of plugins.lock
	required  *plugin.Lock // nil: a plugin need not be there
	defined   map[string]*config.Plugin
	servers   []*config.Server
}

// A listedPlugin is a row of plugin list.
type listedPlugin struct {
	name string
	plugin.Definition
	servers []string // that use it
	problem error    // why it cannot be used; nil: nothing is known
}

func newPluginList() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "list [-c servers.hcl]",
		Short: "List the plugins, their kinds and the servers that use them",
		Long: "List what lies in the directory of a configuration, or in plugins/ where there is none:\n" +
			"its kind, why it is of that kind, its path and the servers that use it, or why it cannot be used. Nothing\n" +
			"is built or started.",
		Args: noArguments,
	}
	addConfigFlag(c, &file)
	c.RunE = func(c *cobra.Command, _ []string) error {
		place, err := findPlugins(c, file)
		if err != nil {
			return err
		}
		return place.print(c.OutOrStdout())
	}
	return c
}

// findPlugins reads the configuration, which need not be there unless it was named.
func findPlugins(c *cobra.Command, file string) (*pluginPlace, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !c.Flags().Changed("config") {
		return &pluginPlace{directory: "plugins", lock: plugin.LockFile}, nil
	}
	catalog := newCatalog(context.Background(), logFlags{})
	catalog.skipPlugins = true
	conf, err := config.Load(file, catalog)
	if err != nil {
		return nil, failed(err)
	}
	return placeOf(conf)
}

func placeOf(conf *config.Config) (p *pluginPlace, err error) {
	p = &pluginPlace{directory: conf.Plugins.Directory, lock: conf.Plugins.Lock, defined: conf.Defined, servers: conf.Servers}
	if conf.Plugins.Locked {
		if p.required, err = plugin.ReadLock(p.lock); err != nil {
			return nil, failed(fmt.Errorf("socketserver: %w", err))
		}
	}
	return p, nil
}

// definition returns how a plugin is to run, and what it must be where that is known.
func (p *pluginPlace) definition(name string) plugin.Definition {
	d := definition(p.defined[name])
	d.Lock = p.required
	return d
}

// list returns the plugins of the directory, then what servers name and is not there. A server may
// use a name without its extension.
func (p *pluginPlace) list() []*listedPlugin {
	var all []*listedPlugin
	names := pluginNames(p.directory, p.defined)
	entries, _ := os.ReadDir(p.directory)
	for _, e := range entries { // also what cannot be one, with the reason
		name := e.Name()
		if name != plugin.LockFile && plugin.Has(p.directory, name) && !slices.Contains(names, name) && !isOther(filepath.Join(p.directory, name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d, err := plugin.Find(p.directory, name, p.definition(name))
		all = append(all, &listedPlugin{name: name, Definition: d, problem: err})
	}
	for _, s := range p.servers {
		if s.Handler.Kind != "plugin" {
			continue
		}
		d, err := plugin.Find(p.directory, s.Handler.Name, p.definition(s.Handler.Name))
		i := slices.IndexFunc(all, func(l *listedPlugin) bool {
			return l.name == s.Handler.Name || d.Path != "" && l.Path == d.Path
		})
		if i < 0 {
			i = len(all)
			all = append(all, &listedPlugin{name: s.Handler.Name, Definition: d, problem: err})
		}
		all[i].servers = append(all[i].servers, s.Name)
	}
	return all
}

// isOther reports whether path is a directory without Go source, such as __pycache__: nobody means it as a plugin.
func isOther(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	files, err := os.ReadDir(path)
	return err == nil && !slices.ContainsFunc(files, func(e os.DirEntry) bool { return filepath.Ext(e.Name()) == ".go" })
}

func (p *pluginPlace) print(w io.Writer) error {
	table := newTable(w, "NAME\tKIND\tSERVERS\tPATH\tWHY")
	for _, l := range p.list() {
		why := l.Why
		if l.problem != nil {
			why = "problem: " + l.problem.Error()
		}
		writeRow(table, cmp.Or(l.name, "-"), cmp.Or(l.Kind, "-"), cmp.Or(strings.Join(l.servers, ", "), "-"), cmp.Or(l.Path, "-"), cmp.Or(why, "-"))
	}
	return table.Flush()
}
