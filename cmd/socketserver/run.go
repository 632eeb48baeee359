package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers"
	"github.com/go-socketserver/socketserver/internal/text"
)

// defaultListen is where run listens.
const defaultListen = "tcp://localhost:8000"

func newRun() *cobra.Command {
	var flags config.Flags
	var logs logFlags
	var printed bool
	var live pageFlags
	c := &cobra.Command{
		Use:   "run TARGET [--listen ADDRESS]...",
		Short: "Run one server without a configuration: of a handler, a plugin, a script or a program",
		Long: `Run one server without a configuration. TARGET is the name of a compiled-in handler, the name of a
plugin in plugins/, or the path of anything that may lie there: a script, a .py that imports
socketserver, a .wasm, a program, a directory with a main.go. A program that is none of these has the
connection as its standard input and output, and one process for each client.`,
		Example: "  socketserver run echo\n" +
			"  socketserver run ./greet.sh\n" +
			"  socketserver run ./server.py --concurrency forking --listen tcp://localhost:9000\n" +
			"  socketserver run ./greet.sh --print >servers.hcl",
		Args: arguments(1, 1),
	}
	f := c.Flags()
	addServerFlags(c, &flags, " (default: "+defaultListen+")")
	f.StringVar(&flags.Concurrency, "concurrency", "", "synchronous, threading, forking or preforking (default: threading; forking for a program on standard input and output)")
	f.BoolVar(&printed, "print", false, "print the servers.hcl that it stands for, and end")
	live.add(f)
	logs.add(f)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := live.check(); err != nil {
			return err
		}
		if err := target(args[0], &flags); err != nil {
			return err
		}
		if printed {
			return printRun(c.OutOrStdout(), flags)
		}
		return serve(serving{
			logs:  logs,
			load:  live.on(func(catalog *catalog) (*config.Config, error) { return config.FromFlags(flags, catalog) }),
			ready: func(all []supervisor.Status) { introduce(os.Stderr, all, flags.Certificate) },
		})
	}
	return c
}

// target completes f with what the argument of run or compare names.
func target(name string, f *config.Flags) error {
	if len(f.Listen) == 0 {
		f.Listen = []string{defaultListen}
	}
	if h, ok := handlers.Lookup(name); ok {
		f.Handler = name
		if class, err := h.Class(nil); err == nil && !slices.Contains(class.Serves(), "tcp") && f.Listen[0] == defaultListen {
			f.Listen[0] = strings.Replace(defaultListen, "tcp", class.Serves()[0], 1)
		}
		return nil
	}
	d, err := locate(name, f, "handler and no plugin", handlerNames())
	if err == nil && f.Concurrency == "" && d.Kind == plugin.Stdio {
		f.Concurrency = "forking"
	}
	return err
}

// locate completes f with the plugin, or whatever lies at the path, that a command names. what and names
// are what else it could have been.
func locate(name string, f *config.Flags, what string, names []string) (plugin.Definition, error) {
	isPath := strings.ContainsRune(name, filepath.Separator)
	if !isPath && plugin.Has(f.PluginDirectory, name) {
		f.Plugin = name
	} else if _, err := os.Stat(name); err == nil {
		f.Plugin, f.PluginPath = filepath.Base(filepath.Clean(name)), name
	} else if isPath {
		return plugin.Definition{}, failed(fmt.Errorf("socketserver: %w", err))
	} else if path, err := exec.LookPath(name); err == nil {
		return plugin.Definition{}, usage("there is no %s %q, and no such file; for the program write %s", what, name, path)
	} else {
		return plugin.Definition{}, usage("there is no %s %q, and no such file; %s", what, name, plugin.Hint(name, slices.Compact(slices.Sorted(slices.Values(append(names, plugin.Names(f.PluginDirectory)...))))))
	}
	d, err := plugin.Find(f.PluginDirectory, f.Plugin, plugin.Definition{Path: f.PluginPath})
	if err != nil {
		err = failed(fmt.Errorf("socketserver: %w", err))
	}
	return d, err
}

// printRun prints a configuration, if it is valid as far as can be told without starting anything.
func printRun(w io.Writer, f config.Flags) error {
	catalog := newCatalog(context.Background(), logFlags{})
	catalog.skipPlugins = true
	if _, err := config.FromFlags(f, catalog); err != nil {
		return failed(err)
	}
	_, err := io.WriteString(w, f.HCL())
	return err
}

// introduce says how to talk to a server that has begun. certificate is that of its TLS.
func introduce(w io.Writer, all []supervisor.Status, certificate string) {
	for _, s := range all {
		for _, l := range s.Listeners {
			address, options := l.URL(), ""
			if l.TLS {
				options = " --ca " + text.ShellWord(certificate)
			}
			if host, _, _ := net.SplitHostPort(l.Address); host == "::1" && len(s.Listeners) > 1 { // as 127.0.0.1
				continue
			}
			reached := strings.Replace(address, "vsock://any:", "vsock://local:", 1)
			fmt.Fprintf(w, "%s serves %s under %s; talk to it with: socketserver connect%s %s\n", text.Line(s.Name), address, s.Strategy, options, text.ShellWord(reached))
		}
	}
	fmt.Fprintln(w, "^C ends it")
}
