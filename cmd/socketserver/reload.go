package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/cluster"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/metrics"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/cmd/socketserver/watch"
	"github.com/go-socketserver/socketserver/cmd/socketserver/web"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A daemon serves a configuration, which can be read again while it does.
type daemon struct {
	load    func(*catalog) (*config.Config, error)
	end     func() // stops the daemon, as a signal does
	logs    logFlags
	log     hclog.Logger
	servers *supervisor.Supervisor
	notify  *systemd.Notifier
	causes  chan os.Signal // to reload: one that waits stands for all that come

	upgrader upgrader
	reloads  metrics.Reloads

	admin       *admin.Server // nil: there is none
	adminSocket *supervisor.Socket
	watcher     *watch.Watcher // nil: nothing is watched

	certificates *watch.Watcher // of files of TLS; nil: there are none
	renewals     chan os.Signal // what it has noticed
	plugins      *watch.Watcher // of what is replaced when it changes; nil: there is none
	updates      chan os.Signal // what it has noticed

	metrics        *web.Server // nil: they are not served over TCP
	metricsSockets []*supervisor.Socket

	page  *livePage
	token string // of pages

	cluster *cluster.Link // nil: there is none
	means   config.Means

	since     time.Time                  // when it began
	reloading sync.Mutex                 // held by start and by a reload: they come one after the other
	applied   atomic.Pointer[generation] // changes while reloading is held
}

// A generation is a configuration that was applied, the first being 1.
type generation struct {
	number int
	config *config.Config
}

// use records that c is the configuration that is applied. The caller holds reloading.
func (d *daemon) use(c *config.Config) {
	next := &generation{1, c}
	if was := d.applied.Load(); was != nil {
		next.number += was.number
	}
	d.applied.Store(next)
}

// start applies the first configuration, and takes causes to reload from then on until ctx is
// done. The admin socket and the addresses of metrics are open before the servers, and answered when these serve: commands
// and scrapes wait until then, or the process that this one replaces answers them.
func (d *daemon) start(ctx context.Context, c *config.Config) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.since, d.token = time.Now(), page.NewToken()
	d.renewals, d.updates = make(chan os.Signal, 1), make(chan os.Signal, 1)
	d.use(c)
	if err := d.join(ctx, c.Cluster); err != nil { // before what answers for the cluster
		return err
	}
	var closed error
	if d.admin, closed = d.openAdmin(ctx, c.Admin); closed != nil && c.Admin.Socket != nil {
		return c.Places["admin"].Wrap(closed)
	}
	if err := d.openMetrics(ctx, c.Metrics); err != nil {
		return c.Places["metrics"].Wrap(err)
	}
	d.follow(c)
	if _, err := d.applyServers(ctx, c); err != nil {
		return err
	}
	d.reloads.Record(nil)
	if err := d.serveMetrics(); err != nil {
		d.servers.Kill()
		return c.Places["metrics"].Wrap(err)
	}
	if d.admin != nil {
		d.admin.Serve()
	}
	if d.admin == nil && closed == nil && c.Admin.Socket == nil {
		d.log.Warn("there is no admin socket, as neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set", "next", `write admin { socket = "/path/admin.sock" } in the configuration, and name it with --admin`)
	}
	if closed != nil { // several daemons of a user share the default
		d.log.Info("there is no admin socket", "error", closed, "next", "set admin.socket")
	}
	go func() {
		for {
			select {
			case <-d.causes:
				_, _ = d.reload(ctx, false) // it is logged
			case <-d.renewals:
				d.servers.RenewCertificates()
			case <-d.updates:
				d.reloadChanged(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

// close closes what start has opened beside the servers.
func (d *daemon) close() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	d.closeWatchers()
	if d.admin != nil {
		_ = d.admin.Close()
		d.servers.Release(d.adminSocket)
	}
	d.closeMetrics()
	d.closePage(d.page)
	if d.means.Serves != nil {
		d.means.Serves.Close()
	}
	if d.cluster != nil {
		d.cluster.Close()
	}
}

// closeWatchers ends the watches on files. The caller holds reloading.
func (d *daemon) closeWatchers() {
	for _, w := range []**watch.Watcher{&d.watcher, &d.certificates, &d.plugins} {
		if *w != nil {
			(*w).Close()
			*w = nil
		}
	}
}

// openMetrics opens the addresses of metrics that the configuration has. Nobody is answered there yet.
func (d *daemon) openMetrics(ctx context.Context, c config.Metrics) (err error) {
	if c.Address == "" {
		return nil
	}
	if d.metricsSockets, err = d.servers.OpenAll(ctx, config.Transport{Network: "tcp", Address: c.Address}, "metrics"); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// serveMetrics answers at the addresses of metrics, if there are any.
func (d *daemon) serveMetrics() error {
	answers := http.NewServeMux()
	answers.Handle("GET /metrics", d.scrape())
	answers.Handle("GET /healthz", metrics.Health(d.servers.Status))
	d.metrics = web.New(answers, d.log)
	at, err := d.metrics.Serve(d.metricsSockets)
	for _, address := range at {
		d.log.Info("metrics", "address", address.String())
	}
	return err
}

// scrape answers Prometheus.
func (d *daemon) scrape() http.Handler {
	return metrics.Handler(metrics.Source{Counts: d.servers.Counts, Reloads: &d.reloads, Version: version()})
}

// closeMetrics frees the addresses of metrics.
func (d *daemon) closeMetrics() {
	if d.metrics != nil {
		_ = d.metrics.Close()
	}
	d.servers.Release(d.metricsSockets...)
	d.metrics, d.metricsSockets = nil, nil
}

// follow watches the files of c, if it asks for that, those of its TLS and those of its plugins.
func (d *daemon) follow(c *config.Config) {
	d.followCertificates(c)
	d.followPlugins(c)
	switch {
	case c.Watch:
		d.watcher = d.followFiles(d.watcher, d.causes, "the configuration", c.Sources, c.Sum)
	case d.watcher != nil:
		d.watcher.Close()
		d.watcher = nil
	}
}

// reload reads the configuration again and applies it. With dry it only returns the plan.
func (d *daemon) reload(ctx context.Context, dry bool) (supervisor.Plan, error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if dry {
		plan, _, err := d.attempt(ctx, d.load, d.servers.Plan)
		return plan, err
	}
	plan, c, err := d.apply(ctx, d.load, d.applyServers)
	var broken *config.Errors
	switch {
	case err == nil:
		warnIneffective(d.log, c)
		d.follow(c)
	case d.watcher == nil:
	case c != nil: // what it needs may come with another change
		d.watcher.Watch(c.Sources, c.Sum)
	case errors.As(err, &broken):
		d.watcher.Watch(broken.Sources, broken.Sum)
	}
	return plan, err
}

// apply has do apply what load returns, logs a line and tells systemd. It returns the configuration also
// where that could not be applied.
func (d *daemon) apply(ctx context.Context, load func(*catalog) (*config.Config, error), do func(context.Context, *config.Config) (supervisor.Plan, error)) (supervisor.Plan, *config.Config, error) {
	d.notify.Reloading()
	outcome := "not reloaded"
	defer func() {
		if ctx.Err() == nil { // it has been told that the service stops
			d.notify.Ready(fmt.Sprintf("%s; serving %s", outcome, text.Counted(len(d.servers.Servers()), "server")))
		}
	}()
	plan, c, err := d.attempt(ctx, load, func(c *config.Config) (supervisor.Plan, error) {
		return do(ctx, c)
	})
	d.reloads.Record(err)
	if err != nil {
		d.log.Error("not reloaded; the servers go on as before", "error", err)
		return nil, c, err
	}
	outcome = "reloaded"
	d.use(c)
	d.log.SetLevel(levelOf(d.logs.level, c.Log.Level))
	var done []any
	for _, a := range []struct {
		action supervisor.Action
		word   string
	}{{supervisor.Start, "started"}, {supervisor.Replace, "replaced"}, {supervisor.Change, "changed"}, {supervisor.Stop, "stopped"}, {supervisor.Keep, "unchanged"}} {
		if names := plan.Servers(a.action); len(names) > 0 {
			done = append(done, a.word, names)
		}
	}
	d.log.Info("reloaded", done...)
	return plan, c, nil
}

// attempt loads a configuration and does something with it. Where a server has stopped by itself
// meanwhile it begins again.
func (d *daemon) attempt(ctx context.Context, load func(*catalog) (*config.Config, error), do func(*config.Config) (supervisor.Plan, error)) (supervisor.Plan, *config.Config, error) {
	if err := d.hasSuccessor(); err != nil {
		return nil, nil, err
	}
	for {
		catalog := newCatalog(ctx, d.logs)
		catalog.log, catalog.running = d.log, d.servers.Class
		c, err := readConfig(ctx, catalog, load)
		if err != nil {
			return nil, c, err
		}
		if err := d.restartFor(c); err != nil {
			catalog.close()
			return nil, c, err
		}
		plan, err := do(c)
		if !errors.Is(err, supervisor.ErrStopped) || ctx.Err() != nil {
			return plan, c, err
		}
	}
}

// readConfig returns what load does, and closes the catalog where that is an error. A file may lie where a read does not
// return, as on a server that is gone: once ctx is done load is left to itself after a while.
func readConfig(ctx context.Context, catalog *catalog, load func(*catalog) (*config.Config, error)) (*config.Config, error) {
	type answer struct {
		c   *config.Config
		err error
	}
	loaded := make(chan answer, 1)
	go func() {
		c, err := load(catalog)
		if err != nil {
			catalog.close()
		}
		loaded <- answer{c, err}
	}()
	select {
	case a := <-loaded:
		return a.c, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-loaded:
		return a.c, a.err
	case <-time.After(tidyTime):
		return nil, errors.New("stopped while the configuration was read")
	}
}

// restartFor returns an error if c has what a reload does not change.
func (d *daemon) restartFor(c *config.Config) error {
	switch was := d.applied.Load().config; {
	case !reflect.DeepEqual(was.Admin, c.Admin):
		return errors.New("the admin block has changed, which a reload does not apply; restart to change it")
	case was.Cluster != c.Cluster:
		return errors.New("the cluster block has changed, which a reload does not apply; restart to change it")
	case was.Metrics != c.Metrics:
		return errors.New("the metrics block has changed, which a reload does not apply; restart to change it")
	case was.Log.Access != c.Log.Access:
		return errors.New("log.access has changed, which a reload does not apply; restart to change it")
	case was.Log.Format != c.Log.Format:
		return errors.New("log.format has changed, which a reload does not apply; restart to change it")
	}
	return nil
}
