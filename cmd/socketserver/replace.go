package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/watch"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// reloadPlugin replaces the processes of a plugin, as they are configured, by new ones.
func (d *daemon) reloadPlugin(ctx context.Context, name string) (supervisor.Plan, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	has := func(s *config.Server) bool { return s.Handler.Kind == "plugin" && s.Handler.Name == name }
	if !slices.ContainsFunc(d.servers.Servers(), has) {
		return nil, fmt.Errorf("no server has a plugin %q; see socketserver status", name)
	}
	plan, _, err := d.apply(ctx, func(c *catalog) (*config.Config, error) { return d.renew(c, has, c.newClass) }, d.servers.Renew)
	return plan, err
}

// reloadChanged replaces the plugins that are replaced when their files change, if they have.
func (d *daemon) reloadChanged(ctx context.Context) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	automatic := func(s *config.Server) bool { return s.Replace.Automatic }
	_, c, _ := d.apply(ctx, func(c *catalog) (*config.Config, error) { return d.renew(c, automatic, c.Class) }, d.servers.Renew)
	if c != nil { // also where that failed, which is logged: it may be mended in a file of another name
		d.followPlugins(c)
	}
}

// recycle replaces the process of the plugin of a server, unless ctx is done: another one has.
func (d *daemon) recycle(ctx context.Context, server, why string) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	began := time.Now()
	log := d.log.With("server", server, "reason", why)
	own := func(s *config.Server) bool { return s.Name == server }
	plan, _, err := d.attempt(ctx, func(c *catalog) (*config.Config, error) { return d.renew(c, own, c.newClass) },
		func(c *config.Config) (supervisor.Plan, error) { return d.servers.Renew(ctx, c) })
	switch {
	case err != nil && ctx.Err() != nil: // the server stops
	case err != nil:
		log.Error("plugin not recycled; its process goes on", "error", err)
	case len(plan.Servers(supervisor.Replace)) > 0:
		log.Info("plugin recycled", "took", time.Since(began).Round(time.Millisecond).String())
	}
	return err
}

// renew returns the configuration that runs, with the classes that class returns for some servers. It returns it
// with an error, too.
func (d *daemon) renew(c *catalog, some func(*config.Server) bool, class func(*config.Server) (*framework.HandlerClass, error)) (*config.Config, error) {
	applied := d.applied.Load().config
	next, those := *applied, *applied
	next.Servers, those.Servers = nil, nil
	for _, s := range d.servers.Servers() {
		own := *s
		next.Servers = append(next.Servers, &own)
		if some(&own) {
			own.Handler.Program = "" // if the plugin cannot be prepared this is not the running one
			those.Servers = append(those.Servers, &own)
		}
	}
	c.Prepare(&those)
	next.PluginFiles, next.PluginSum = those.PluginFiles, those.PluginSum
	var errs []error
	for _, s := range those.Servers {
		var err error
		if s.Class, err = class(s); err != nil {
			errs = append(errs, fmt.Errorf("server %q: plugin %q: %w", s.Name, s.Handler.Name, err))
		}
	}
	return &next, errors.Join(errs...)
}

// pluginFiles returns patterns of what the plugins of c are made of that are replaced when it changes.
func pluginFiles(c *config.Config) (files []string) {
	for _, s := range c.Servers {
		if s.Replace.Automatic {
			files = append(files, plugin.Files(c.Plugins.Directory, s.Handler.Name, definition(c.Defined[s.Handler.Name]))...)
		}
	}
	if len(files) > 0 && c.Plugins.Locked {
		files = append(files, c.Plugins.Lock)
	}
	return files
}

// followPlugins watches the files of the plugins of c.
func (d *daemon) followPlugins(c *config.Config) {
	d.plugins = d.followFiles(d.plugins, d.updates, "plugins", c.PluginFiles, c.PluginSum)
}

// followFiles has w, which is made where it is nil and there are any, watch files; sum is that of what is known of them.
func (d *daemon) followFiles(w *watch.Watcher, changed chan os.Signal, what string, files []string, sum string) *watch.Watcher {
	if len(files) > 0 && w == nil {
		var err error
		if w, err = watch.New(changed); err != nil {
			d.log.Warn("cannot watch "+what, "error", err, "next", "raise fs.inotify.max_user_instances, or reload by SIGHUP")
			return nil
		}
	}
	if w != nil {
		w.Watch(files, sum)
	}
	return w
}
