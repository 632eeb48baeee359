package subject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers"
)

// First arguments of the command when a comparison starts it. They are not cobra commands: a
// plugin and a forked child start without parsing a command line.
const (
	subjectWord = "compare-subject"
	pluginWord  = "compare-plugin"  // followed by the name of a handler
	programWord = "compare-program" // the handler of the mishaps on standard input and output
)

// Become is the first line of main, in place of handlers.ServeWorker, which it calls with more. It does
// not return in a process that a comparison started. findWorker returns the program of forked
// children that serve would use; nil: this one.
func Become(findWorker func(hclog.Logger) *framework.Program, more ...framework.Constructor) {
	if len(os.Args) == 3 && os.Args[1] == pluginWord {
		servePlugin(os.Args[2])
	}
	handlers.ServeWorker(append(more, experiment.Constructor)...)
	if len(os.Args) == 2 && os.Args[1] == subjectWord {
		if err := serve(findWorker); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == programWord {
		if err := experiment.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// servePlugin makes this process a plugin, or a forked child of one.
func servePlugin(name string) {
	c, ok := lookup(name)
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no handler %q\n", name)
		os.Exit(1)
	}
	plugin.Serve(c)
}

// serve reads a server from standard input and runs it as the command serve would.
func serve(findWorker func(hclog.Logger) *framework.Program) error {
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return fmt.Errorf("read what to serve: %w", err)
	}
	s := &spec.Server
	// A write to a parent that has ended must not kill this process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// No core file: crashes are intended.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tidy := watchParent(stop, spec.Directory, s.Timeouts.Drain)
	defer tidy()
	if s := spec.Form; s == result.Xinetd || s == result.Systemd {
		return spec.serveInetd(ctx)
	}
	log := hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Info, JSONFormat: true})
	var err error
	if s.Class, err = spec.class(ctx, log); err != nil {
		return err
	}
	s.Transports = s.Transports[:1]
	s.Transports[0].Address = "127.0.0.1:0"
	if strings.HasPrefix(s.Transports[0].Network, "unix") {
		s.Transports[0].Address = filepath.Join(spec.Directory, socketName)
	}
	o := supervisor.Options{Log: log}
	if s.Handler.Name != experiment.Name { // the worker program does not have that handler
		o.Worker = findWorker(log)
	}
	servers := supervisor.New(o)
	if _, err := servers.Apply(ctx, &config.Config{Servers: []*config.Server{s}}); err != nil {
		return err
	}
	if spec.Clock != 0 {
		hide, err := spec.show(servers)
		if err != nil {
			return err
		}
		defer hide()
	}
	at := servers.Status()[0].Listeners[0]
	send(report{Network: at.Network, Address: at.Address})
	servers.Run(ctx)
	started := framework.ProcessesStarted()
	send(report{Started: &started})
	return nil
}

// class returns the handler class, in a plugin if that is the form.
func (s *Spec) class(ctx context.Context, log hclog.Logger) (*framework.HandlerClass, error) {
	h := s.Server.Handler
	if s.Form == result.Plugin {
		settings := plugin.Settings{
			Definition: s.Plugin, Name: h.Name, Server: s.Server.Name, Concurrency: s.Server.Concurrency.Kind, Options: h.Options, Directory: h.Directory,
			Timeouts: s.Server.Timeouts, MaxLine: s.Server.Limits.MaxLine(), Log: log.With("server", s.Server.Name),
		}
		if h.Kind == "handler" {
			var err error
			if settings.Definition, err = s.stand(); err != nil {
				return nil, err
			}
		}
		return plugin.Open(ctx, settings)
	}
	c, ok := lookup(h.Name)
	if !ok {
		return nil, fmt.Errorf("there is no handler %q", h.Name)
	}
	options, err := framework.AbsolutePaths(c.Options(), h.Options, h.Directory)
	if err != nil {
		return nil, err
	}
	return c.Class(options)
}

// stand returns how a handler of this program runs as a plugin: the one of the mishaps as a plugin of
// the kind that is compared.
func (s *Spec) stand() (plugin.Definition, error) {
	switch s.Plugin.Kind {
	case plugin.Python:
		path, err := writeScript(s.Directory)
		return plugin.Definition{Kind: plugin.Python, Path: path, WorkingDirectory: "/"}, err
	case plugin.Stdio:
		return plugin.Definition{Kind: plugin.Stdio, Path: "/proc/self/exe", Args: []string{programWord}, WorkingDirectory: "/"}, nil
	}
	return plugin.Definition{Path: "/proc/self/exe", Args: []string{pluginWord, s.Server.Handler.Name}}, nil
}

// writeScript returns a path of the script of the mishaps, which lasts as long as this process: a file
// of its own would count as left behind where the process is killed.
func writeScript(directory string) (string, error) {
	path := filepath.Join(directory, "experiment.py")
	err := os.WriteFile(path, []byte(experimentScript), 0o600)
	if err != nil {
		return "", fmt.Errorf("write the script of the mishaps: %w", err)
	}
	open, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) // is never closed
	if err = errors.Join(err, os.Remove(path)); err != nil {
		return "", fmt.Errorf("open the script of the mishaps: %w", err)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), open), nil
}

// lookup finds a handler of this program.
func lookup(name string) (framework.Constructor, bool) {
	if name == experiment.Name {
		return experiment.Constructor, true
	}
	return handlers.Lookup(name)
}

// send writes to the parent, which may have ended.
func send(r report) { _ = json.NewEncoder(os.Stdout).Encode(r) }

// overdue is the time that a server may take beyond its drain timeout after its parent has ended.
const overdue = 5 * time.Second

// watchParent stops the server when standard input ends, which means that its parent has ended. Then
// tidy does the parent's part: it kills what is left and removes the directory.
func watchParent(stop func(), directory string, drain time.Duration) (tidy func()) {
	var gone atomic.Bool
	tidy = func() {
		if !gone.Load() {
			return
		}
		all := &tree{session: os.Getpid(), directories: []string{directory}}
		for _, m := range all.members() {
			if m.pid != os.Getpid() {
				all.end(m.pid)
			}
		}
		_ = os.RemoveAll(directory)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		gone.Store(true)
		stop()
		time.AfterFunc(drain+overdue, func() {
			tidy()
			os.Exit(2)
		})
	}()
	return tidy
}
