package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/kv"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/cmd/socketserver/upgrade"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/handlers/chat/operator"
	"github.com/go-socketserver/socketserver/handlers/localtime"
)

func newServe() *cobra.Command {
	var file string
	var flags config.Flags
	var logs logFlags
	var console string
	var live pageFlags
	c := &cobra.Command{
		Use:   "serve [-c servers.hcl] [--page [ADDRESS]]",
		Short: "Run the servers of a configuration",
		Long:  "Run the servers of a file, of a directory of .hcl files, or of the command line.\nSIGINT and SIGTERM stop gracefully, a second one at once. SIGHUP reloads,\nSIGUSR1 reopens the access log, SIGUSR2 has a new version of the program take over.",
		Example: "  socketserver serve\n" +
			"  socketserver serve --listen tcp://localhost:9000 --concurrency forking --handler timestamp --set framing=chunk",
		Args: func(c *cobra.Command, args []string) error { return noArguments(c, live.take(args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			if err := live.check(); err != nil {
				return err
			}
			single := len(flags.Listen) > 0 || flags.Handler != "" || flags.Plugin != ""
			if single && c.Flags().Changed("config") {
				return usage("--config and --listen, --handler and --plugin exclude each other; put the server into the file, or leave --config out")
			}
			if !single {
				for _, name := range []string{"set", "concurrency", "certificate", "key"} {
					if c.Flags().Changed(name) {
						return usage("--%s belongs to --listen; in a file it is part of the server block", name)
					}
				}
				if c.Flags().Changed("plugins") {
					return usage("--plugins belongs to --plugin; a file says itself where its plugins are")
				}
			}
			if single {
				return serve(serving{logs: logs, console: console, load: live.on(func(catalog *catalog) (*config.Config, error) { return config.FromFlags(flags, catalog) })})
			}
			return serve(serving{logs: logs, console: console, file: file, load: live.on(func(catalog *catalog) (*config.Config, error) { return config.Load(file, catalog) })})
		},
	}
	f := c.Flags()
	addConfigFlag(c, &file)
	addServerFlags(c, &flags, "")
	f.StringVar(&flags.Concurrency, "concurrency", "threading", "synchronous, threading, forking or preforking")
	f.StringVar(&flags.Handler, "handler", "", "compiled-in handler")
	f.StringVar(&flags.Plugin, "plugin", "", "plugin, in place of --handler")
	f.StringVar(&console, "console", "", "chat server whose operator sits at this terminal")
	live.add(f)
	logs.add(f)
	return c
}

// addServerFlags adds the flags of a server that is not in a file. otherwise follows the help of --listen.
func addServerFlags(c *cobra.Command, flags *config.Flags, otherwise string) {
	f := c.Flags()
	f.StringArrayVar(&flags.Listen, "listen", nil, "address to listen on, as tcp://host:port, tls://host:port, ws://host:port/path, wss://host:port/path, udp://host:port, unix:///path, unixpacket:///path, unixgram:///path or vsock://CID:port; repeatable"+otherwise)
	f.StringArrayVar(&flags.Set, "set", nil, "option of the handler, as key=value; repeatable")
	f.StringVar(&flags.PluginDirectory, "plugins", "plugins", "directory of the plugins")
	f.StringVar(&flags.Certificate, "certificate", "", "certificate of addresses tls:// and wss://, a PEM file")
	f.StringVar(&flags.Key, "key", "", "its private key, a PEM file (default: the file of the certificate)")
}

func addConfigFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "config", "c", "servers.hcl", "file, or directory of .hcl files")
	_ = c.MarkFlagFilename("config", "hcl")
}

// serving is what a daemon serves.
type serving struct {
	logs    logFlags
	console string // the server with its operator at this terminal; empty: there is none
	file    string // of the configuration; empty: it has none
	load    func(*catalog) (*config.Config, error)
	worker  string                    // address at which this is a worker of the cluster; empty: it is none
	ready   func([]supervisor.Status) // called when all servers listen; may be nil
}

// serve loads a configuration, runs it until a signal comes, and stops.
func serve(o serving) error {
	logs := o.logs
	letMonitorNap()
	defer framework.AdoptOrphans()()
	// A log or an answer that nobody reads is no reason to end. The signal is caught instead of
	// ignored, as programs that handlers start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if err := logs.check(); err != nil {
		return err
	}
	sockets, before, err := inherited() // first, so that no plugin gets what was passed
	if err != nil {
		return failed(fmt.Errorf("socketserver: %w", err))
	}
	logs.stderr = before.Stderr
	desk, err := deskFor(o.console, &logs)
	if err != nil {
		return failed(err)
	}
	defer desk.close()
	hangups := make(chan os.Signal, 1) // one that waits stands for all that come
	signal.Notify(hangups, syscall.SIGHUP)
	upgrades := catchUpgrades()
	var running atomic.Pointer[supervisor.Supervisor]
	ctx, stop := stopOnSignal(func() {
		if s := running.Load(); s != nil { // what still starts dies with this process
			s.Kill()
		}
		_ = desk.close()
	})
	defer stop()
	endWithGoRun()
	catalog := newCatalog(ctx, logs)
	c, err := readConfig(ctx, catalog, o.load)
	if ctx.Err() != nil {
		if err == nil {
			catalog.close()
		}
		err = errors.New("socketserver: stopped by a signal before it listened")
	}
	if err != nil {
		return failed(err)
	}
	log := catalog.log
	warnIneffective(log, c)
	if err := localtime.Check(); err != nil {
		log.Warn("times are UTC, as the time zone is not understood", "error", err)
	}
	options := supervisor.Options{Log: log, Means: findWorkers(log), OpenState: new(kv.Backends).Open}
	access, err := openAccessLog(c.Log.Access, log)
	if err = c.Places["log"].Wrap(err); err == nil {
		err = distribute(&options.Means, c, o.worker, log)
	}
	if err != nil {
		catalog.close()
		return failed(err)
	}
	defer access.close()
	if access.Log != nil {
		options.Ended = access.Add
	}
	var d *daemon
	options.Recycle = func(ctx context.Context, server, why string) error { return d.recycle(ctx, server, why) }
	servers := supervisor.New(options)
	operator.Keep = servers.Keep
	servers.Inherit(sockets)
	if err := servers.Adopt(before.Sockets, before.Suspended); err != nil {
		return failed(err)
	}
	d = &daemon{means: options.Means, load: o.load, end: stop, logs: logs, log: log, servers: servers, notify: systemd.NewNotifier(log), causes: hangups, upgrader: upgrader{file: o.file, signals: upgrades}}
	return d.run(ctx, c, before, func() (ended func(), err error) {
		running.Store(servers)
		if o.ready != nil {
			o.ready(servers.Status())
		}
		return desk.attend(ctx, c, o.console, log)
	})
}

// inherited returns what systemd and the process before this one have passed on.
func inherited() ([]systemd.Socket, *upgrade.Predecessor, error) {
	sockets, err := systemd.Sockets()
	if err != nil {
		return nil, nil, err
	}
	before, err := upgrade.Inherit()
	return sockets, before, err
}

// run serves c, and what it is changed to, until ctx is done. attend is called when the servers
// listen; it returns what ends what it has begun.
func (d *daemon) run(ctx context.Context, c *config.Config, before *upgrade.Predecessor, attend func() (ended func(), err error)) error {
	d.upgrader.changing.Lock()
	defer d.close()
	if err := d.start(ctx, c); err != nil {
		return failed(err)
	}
	ended, err := attend()
	if err != nil {
		d.servers.Kill()
		return failed(err)
	}
	before.Ready(d.servers.Own)
	notified := notifySystemd(ctx, d.notify, d.servers, d.log)
	d.upgrader.changing.Unlock()
	go d.upgradeOnSignal(ctx)
	d.servers.Run(ctx)
	notified()
	ended()
	return nil
}

// tidyTime is how long the second signal waits at most; a third one does not.
const tidyTime = 2 * time.Second

// stopOnSignal returns a context that the first signal ends. The second one calls tidy, which may be nil, and ends
// the process, whatever blocks it. The caller calls stop last: it waits for that
// end where there was a second signal. One channel takes both signals, so that none is lost.
func stopOnSignal(tidy func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var forced atomic.Bool
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		forced.Store(true)
		if tidy == nil {
			os.Exit(exitUsage)
		}
		tidied := make(chan struct{})
		go func() { tidy(); close(tidied) }()
		select {
		case <-tidied:
		case <-signals:
		case <-time.After(tidyTime): // as where nobody reads the log
		}
		os.Exit(exitUsage)
	}()
	return ctx, func() {
		cancel()
		if forced.Load() {
			select {}
		}
	}
}

// findWorkers looks for the small programs for children and workers beside this one. Where one
// is not installed this program is its own worker.
func findWorkers(log hclog.Logger) config.Means {
	with := config.Means{Worker: findWorker(log), Secure: findProgram("socketserver-worker-tls", log)}
	if with.Secure != nil {
		with.Secure.Layers = true
	}
	return with
}

func findWorker(log hclog.Logger) *framework.Program { return findProgram("socketserver-worker", log) }

func findProgram(name string, log hclog.Logger) *framework.Program {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	if resolved, err := filepath.EvalSymlinks(self); err == nil {
		self = resolved
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			log.Warn("cannot use "+name, "error", err)
		}
		return nil
	}
	return &framework.Program{Path: path, Build: framework.Build(), Preambles: true}
}
