package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/handlers"
	"github.com/go-socketserver/socketserver/internal/text"
)

func newHandlers() *cobra.Command {
	var directory, file string
	c := &cobra.Command{
		Use:   "handlers [NAME]...",
		Short: "List the compiled-in handlers with their options",
		Long: `List the compiled-in handlers, or the handlers and plugins named, with their options and
defaults as in a configuration. Plugins are built and started to be asked, if their kind can be. Where
a handler and a plugin have the same name, it is the handler's.`,
		RunE: func(c *cobra.Command, names []string) error {
			ctx, stop := stopOnSignal(nil)
			defer stop()
			place := &pluginPlace{}
			if compiled := handlerNames(); slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(compiled, name) }) {
				var err error
				if place, err = definedPlugins(c, file, &directory); err != nil {
					return err
				}
			}
			text, err := listHandlers(ctx, directory, place, names)
			if err != nil {
				return err
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
	addPluginsFlag(c, &directory)
	addConfigFlag(c, &file)
	return c
}

func listHandlers(ctx context.Context, directory string, place *pluginPlace, names []string) (string, error) {
	compiled, plugins := handlerNames(), pluginNames(directory, place.defined)
	if len(names) == 0 {
		names = compiled
	}
	var all []string
	for _, name := range names {
		var one string
		var err error
		switch {
		case slices.Contains(compiled, name):
			one, err = describeHandler(name)
		case slices.Contains(plugins, name) || plugin.Has(directory, name):
			one, err = describePlugin(ctx, directory, name, place.definition(name))
		default:
			return "", usage("there is no handler %q compiled in, and no plugin in %s; %s", name, directory, plugin.Hint(name, append(compiled, plugins...)))
		}
		if err != nil {
			return "", failed(fmt.Errorf("socketserver: %w", err))
		}
		all = append(all, one)
	}
	return strings.Join(all, "\n"), nil
}

// pluginNames returns the names of the plugins in a directory and of those that are defined elsewhere.
func pluginNames(directory string, defined map[string]*config.Plugin) []string {
	names := plugin.Names(directory)
	for _, name := range slices.Sorted(maps.Keys(defined)) {
		if defined[name].Path != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func describeHandler(name string) (string, error) {
	i := slices.IndexFunc(handlers.Table, func(h handlers.Entry) bool { return h.Name == name })
	h := handlers.Table[i]
	class, err := h.Constructor.Class(nil)
	if err != nil {
		return "", fmt.Errorf("handler %q: %w", name, err)
	}
	return describe(name, h.Doc, class.Serves(), class.Stateful, h.Constructor.Options()), nil
}

func describePlugin(ctx context.Context, directory, name string, d plugin.Definition) (string, error) {
	_, is, err := askPlugin(ctx, directory, name, d)
	if err != nil {
		return "", err
	}
	return text.Lines(describe(name, "a plugin in "+directory, is.Networks, is.Stateful, is.Options)), nil
}

func describe(name, doc string, networks []string, stateful string, options []framework.Option) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n  transports: %s\n", name, doc, strings.Join(networks, ", "))
	if stateful != "" {
		fmt.Fprintf(&b, "  keeps in memory: %s\n", stateful)
	}
	for _, o := range options {
		value := "= " + string(o.Default)
		if o.Default == nil {
			value = "(" + o.Type + ")"
		}
		fmt.Fprintf(&b, "  %s %s\n      %s\n", o.Name, value, o.Doc)
	}
	return b.String()
}
