package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A daemon serves a configuration, which can be read again while it does.
type daemon struct {
	load    func(*catalog) (*config.Config, error)
	logs    logFlags
	log     hclog.Logger
	servers *supervisor.Supervisor

	reloading sync.Mutex     // held by a reload: they come one after the other
	config    *config.Config // that is applied; guarded by reloading
}

// reloadOn reloads when a signal comes, until ctx is done. A signal that comes meanwhile has
// the next reload begin.
func (d *daemon) reloadOn(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			_, _ = d.reload(ctx, false) // it is logged
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the configuration again and applies it. With dry it only returns the plan.
func (d *daemon) reload(ctx context.Context, dry bool) (supervisor.Plan, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if dry {
		plan, _, err := d.attempt(ctx, d.load, func(c *config.Config) (supervisor.Plan, error) { return d.servers.Plan(c) })
		return plan, err
	}
	return d.apply(ctx, d.load)
}

// reloadPlugin replaces the processes of a plugin, as they are configured, by new ones.
func (d *daemon) reloadPlugin(ctx context.Context, name string) (supervisor.Plan, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	return d.apply(ctx, func(c *catalog) (*config.Config, error) { return d.renew(c, name) })
}

// renew returns the configuration that runs, with new classes where a server has the plugin.
func (d *daemon) renew(c *catalog, name string) (*config.Config, error) {
	next, those := *d.config, *d.config
	next.Servers, those.Servers = nil, nil
	for _, s := range d.servers.Servers() {
		own := *s
		next.Servers = append(next.Servers, &own)
		if own.Handler.Kind == "plugin" && own.Handler.Name == name {
			those.Servers = append(those.Servers, &own)
		}
	}
	if len(those.Servers) == 0 {
		return nil, fmt.Errorf("no server has a plugin %q; see socketserver status", name)
	}
	c.Prepare(&those)
	var errs []error
	for _, s := range those.Servers {
		var err error
		if s.Class, err = c.newClass(s); err != nil {
			errs = append(errs, fmt.Errorf("server %q: plugin %q: %w", s.Name, name, err))
		}
	}
	return &next, errors.Join(errs...)
}

// apply applies what load returns, and logs a line.
func (d *daemon) apply(ctx context.Context, load func(*catalog) (*config.Config, error)) (supervisor.Plan, error) {
	plan, c, err := d.attempt(ctx, load, func(c *config.Config) (supervisor.Plan, error) { return d.servers.Apply(ctx, c) })
	if err != nil {
		d.log.Error("not reloaded; the servers go on as before", "error", err)
		return nil, err
	}
	d.config = c
	d.log.SetLevel(hclog.LevelFromString(cmp.Or(d.logs.level, c.Log.Level, "info")))
	d.log.Info("reloaded", "started", plan.Servers(supervisor.Start), "replaced", plan.Servers(supervisor.Replace),
		"changed", plan.Servers(supervisor.Change), "stopped", plan.Servers(supervisor.Stop), "unchanged", plan.Servers(supervisor.Keep))
	return plan, nil
}

// attempt loads a configuration and does something with it. Where a server has stopped by itself
// meanwhile it begins again.
func (d *daemon) attempt(ctx context.Context, load func(*catalog) (*config.Config, error), do func(*config.Config) (supervisor.Plan, error)) (supervisor.Plan, *config.Config, error) {
	for {
		catalog := newCatalog(ctx, d.logs)
		catalog.log, catalog.running = d.log, d.servers.Class
		c, err := load(catalog)
		if err != nil {
			catalog.close()
			return nil, nil, err
		}
		plan, err := do(c)
		if !errors.Is(err, supervisor.ErrStopped) || ctx.Err() != nil {
			return plan, c, err
		}
	}
}
