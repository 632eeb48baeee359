package main

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/client"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/render"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers"
	"github.com/go-socketserver/socketserver/handlers/chat/operator"
)

// flagValues complete the values of flags, by the flag's name, which means the same in every
// command. Other flags have values that cannot be listed.
var flagValues = map[string]cobra.CompletionFunc{
	"server":  servers,
	"console": servers,
	"handler": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return listed(handlerNames())
	},
	"plugin": func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return listed(pluginNames(pluginDirectory(c), nil))
	},
	"plugins":    cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	"set":        options,
	"listen":     urls,
	"log-format": one(logFormats...),
	"log-level":  one(logLevels...),

	"concurrency": one(config.Concurrencies()...),
	"network":     one("tcp", "udp", "unix", "unixgram"),
	"strategies":  some(strategies...),
	"loads":       some("connections", "conversations", "datagrams"),
	"peer":        some("python", "asyncio", "twisted"),
	"table":       one("unp"),
	"answer":      one("line", "chunk", "eof"),
	"output":      one(render.Formats()...),

	"mode":        one(client.Modes...),
	"framing":     one(client.Framings...),
	"ca":          cobra.FixedCompletions([]string{"pem", "crt"}, cobra.ShellCompDirectiveFilterFileExt),
	"certificate": cobra.FixedCompletions([]string{"pem", "crt"}, cobra.ShellCompDirectiveFilterFileExt),
	"key":         cobra.FixedCompletions([]string{"pem", "key"}, cobra.ShellCompDirectiveFilterFileExt),
	"transcript":  cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
}

// argumentValues complete the arguments of commands. Other commands have none.
var argumentValues = map[string]cobra.CompletionFunc{
	"handlers": func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		directory := pluginDirectory(c)
		place, err := definedPlugins(c, c.Flag("config").Value.String(), &directory)
		if err != nil { // what cannot be read completes nothing
			place = &pluginPlace{}
		}
		names := slices.Concat(handlerNames(), pluginNames(directory, place.defined))
		return listed(slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }))
	},
	"console": func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) > 0:
			return listed(nil)
		case strings.Contains(begun, "/"): // the path of a socket
			return nil, cobra.ShellCompDirectiveDefault
		}
		return listed(operator.Names())
	},
	"connect": func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return listed(nil)
		}
		return urls(c, args, begun)
	},
	"log-level": func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return oneServer(c, nil, begun)
		}
		return one(logLevels...)(c, args, begun)
	},
	"run":     oneTarget,
	"compare": oneTarget,

	"status": oneServer, "suspend": oneServer, "resume": oneServer, "drain": oneServer, "stop": oneServer, "start": oneServer, "restart": oneServer,

	"init": cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	"fmt":  cobra.FixedCompletions([]string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt),
	"man":  cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
}

// oneTarget completes the argument of run and compare.
func oneTarget(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return listed(nil)
	}
	return slices.Concat(handlerNames(), plugin.Names(pluginDirectory(c))), cobra.ShellCompDirectiveDefault // or a path
}

// oneServer completes the argument of commands that are about a server of the daemon.
func oneServer(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return listed(nil)
	}
	socket := cmp.Or(c.Flag("admin").Value.String(), admin.DefaultPath())
	ctx, cancel := context.WithTimeout(c.Context(), time.Second) // the shell waits for it
	defer cancel()
	var answer statusAnswer
	_ = admin.Do(ctx, socket, http.MethodGet, "/v1/status", nil, &answer) // without a daemon there is nothing to complete
	var names []string
	for _, s := range answer.Servers {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return listed(slices.Compact(names)) // one that is replaced has the name of the next
}

// addCompletions makes the shell complete the flags and arguments of all commands.
func addCompletions(root *cobra.Command) {
	for _, c := range root.Commands() {
		c.ValidArgsFunction = cobra.NoFileCompletions
		if values := argumentValues[c.Name()]; values != nil {
			c.ValidArgsFunction = matching(values)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			values := flagValues[f.Name]
			if values == nil {
				values = cobra.NoFileCompletions
			}
			_ = c.RegisterFlagCompletionFunc(f.Name, matching(values)) // cannot fail: the flag exists and has none
		})
	}
}

// matching leaves out the values that do not begin with the word at the cursor: not every shell
// does.
func matching(values cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		all, directive := values(c, args, begun)
		if directive != cobra.ShellCompDirectiveFilterFileExt {
			all = slices.DeleteFunc(slices.Clone(all), func(v string) bool { return !strings.HasPrefix(v, begun) })
		}
		return all, directive
	}
}

func listed(names []string) ([]string, cobra.ShellCompDirective) {
	return names, cobra.ShellCompDirectiveNoFileComp
}

func one(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// some completes the last element of a list with commas.
func some(values ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		head := begun[:strings.LastIndexByte(begun, ',')+1]
		var all []string
		for _, v := range values {
			if !slices.Contains(strings.Split(head, ","), v) {
				all = append(all, head+v)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func handlerNames() []string {
	var names []string
	for _, h := range handlers.Table {
		names = append(names, h.Name)
	}
	return names
}

func pluginDirectory(c *cobra.Command) string {
	if f := c.Flags().Lookup("plugins"); f != nil {
		return f.Value.String()
	}
	return "plugins"
}

func servers(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return listed(config.ServerNames(c.Flag("config").Value.String()))
}

// options completes KEY=VALUE as far as the =.
func options(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	if h, ok := handlers.Lookup(c.Flag("handler").Value.String()); ok {
		for _, o := range h.Options() {
			keys = append(keys, cobra.CompletionWithDesc(o.Name+"=", o.Doc))
		}
	}
	return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// urls completes the network of an address.
func urls(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, network := range client.Networks {
		all = append(all, network+"://")
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
