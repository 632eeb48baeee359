package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/internal/text"
)

// A pluginAnswer is what plugin describe prints as JSON.
type pluginAnswer struct {
	Name     string             `json:"name"`
	Kind     plugin.Kind        `json:"kind"`
	Why      string             `json:"why"`
	Path     string             `json:"path"`
	Networks []string           `json:"networks"`
	Stateful string             `json:"stateful,omitempty"`
	Options  []framework.Option `json:"options"`
}

func newPluginDescribe() *cobra.Command {
	var directory, file string
	var asJSON bool
	c := &cobra.Command{
		Use:   "describe NAME [--json]",
		Short: "Describe a plugin: its kind, transports and options",
		Long:  "Describe a plugin: its kind, the transports that it serves and its options with their defaults. It is\nbuilt, and started where its kind has to be asked.",
		Args:  arguments(1, 1),
	}
	addPluginsFlag(c, &directory)
	addConfigFlag(c, &file)
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, stop := stopOnSignal(nil)
		defer stop()
		place, err := definedPlugins(c, file, &directory)
		if err != nil {
			return err
		}
		d, answer, err := askPlugin(ctx, directory, args[0], place.definition(args[0]))
		switch {
		case err != nil:
			return failed(fmt.Errorf("socketserver: %w", err))
		case asJSON:
			return printJSON(c.OutOrStdout(), pluginAnswer{args[0], d.Kind, d.Why, d.Path, answer.Networks, answer.Stateful, append([]framework.Option{}, answer.Options...)})
		}
		doc := fmt.Sprintf("a plugin of the kind %s (%s)", d.Kind, d.Why)
		_, err = io.WriteString(c.OutOrStdout(), text.Lines(describe(args[0], doc, answer.Networks, answer.Stateful, answer.Options)))
		return err
	}
	return c
}

func newPluginBuild() *cobra.Command {
	var directory, file string
	c := &cobra.Command{
		Use:   "build [NAME]...",
		Short: "Build plugins, and print what would run",
		Long:  "Build the plugins named, or all that are source, as serve does, and print the path of each program, script\nor module. The exit status is 1 where one cannot be used.",
	}
	addPluginsFlag(c, &directory)
	addConfigFlag(c, &file)
	c.RunE = func(c *cobra.Command, names []string) error {
		ctx, stop := stopOnSignal(nil)
		defer stop()
		place, err := definedPlugins(c, file, &directory)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			names = plugin.Names(directory)
		}
		wanted := map[string]plugin.Definition{}
		for _, name := range names {
			wanted[name] = place.definition(name)
		}
		ready, problems := plugin.Prepare(ctx, directory, wanted, quietLog())
		for _, name := range slices.Sorted(maps.Keys(ready)) {
			if _, err := fmt.Fprintln(c.OutOrStdout(), text.Line(ready[name].Path)); err != nil {
				return err
			}
		}
		return joined(problems)
	}
	return c
}

func addPluginsFlag(c *cobra.Command, directory *string) {
	c.Flags().StringVar(directory, "plugins", "plugins", "directory of the plugins")
}

// definedPlugins reads what the configuration says of plugins, which need not be there unless it was named.
// It sets directory unless a flag has.
func definedPlugins(c *cobra.Command, file string, directory *string) (*pluginPlace, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !c.Flags().Changed("config") {
		return &pluginPlace{}, nil
	}
	conf, err := config.LoadPlugins(file)
	if err != nil {
		return nil, failed(err)
	}
	if !c.Flags().Changed("plugins") {
		*directory = conf.Plugins.Directory
	}
	return placeOf(conf)
}

// askPlugin builds a plugin and asks what it is.
func askPlugin(ctx context.Context, directory, name string, d plugin.Definition) (plugin.Definition, *plugin.Description, error) {
	log := quietLog()
	prepared, problems := plugin.Prepare(ctx, directory, map[string]plugin.Definition{name: d}, log)
	if err := problems[name]; err != nil {
		return plugin.Definition{}, nil, err
	}
	is, err := plugin.Describe(ctx, plugin.Settings{Definition: prepared[name], Name: name, Log: log})
	return prepared[name], is, err
}

// joined returns the errors in the order of their names as one of the command.
func joined(problems map[string]error) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		all = append(all, fmt.Errorf("socketserver: %w", problems[name]))
	}
	if len(all) == 0 {
		return nil
	}
	return failed(errors.Join(all...))
}

// quietLog is that of commands that look at plugins.
func quietLog() hclog.Logger { return (&logFlags{level: "warn"}).logger(config.Log{}) }
