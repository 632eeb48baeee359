package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/framework/plugin"
	"github.com/go-socketserver/socketserver/internal/text"
)

func newPluginLock() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "lock [NAME]...",
		Short: "Record in plugins.lock what plugins are now",
		Long: "Write the SHA-256 of each plugin named, or of all that there are, to plugins.lock beside the configuration.\n" +
			"With plugins { trust = \"lock\" } nothing else runs. Without a name the lines of plugins that have gone are removed.\n" +
			"Prints the lines that have changed.",
	}
	addConfigFlag(c, &file)
	c.RunE = func(c *cobra.Command, names []string) error {
		place, err := findPlugins(c, file)
		if err != nil {
			return err
		}
		place.required = nil
		lock, err := plugin.ReadLock(place.lock)
		if err != nil {
			return failed(fmt.Errorf("socketserver: %w", err))
		}
		return place.write(c, lock, names)
	}
	return c
}

// write records the plugins of those names in lock; none: all, but those that cannot be used and that
// no server uses.
func (p *pluginPlace) write(c *cobra.Command, lock *plugin.Lock, names []string) error {
	all := len(names) == 0
	if all {
		for _, l := range p.list() {
			if l.problem == nil || len(l.servers) > 0 {
				names = append(names, l.name)
			}
		}
	}
	var kept []string
	var problems []error
	for _, name := range names {
		line, err := plugin.Identify(p.directory, name, definition(p.defined[name]))
		if err != nil {
			problems = append(problems, fmt.Errorf("socketserver: plugin %q: %w", name, err))
			continue
		}
		if kept = append(kept, line.Name); lock.Sum(line.Name) != line.Sum {
			if _, err := fmt.Fprintln(c.OutOrStdout(), text.Line(line.String())); err != nil {
				problems = append(problems, fmt.Errorf("socketserver: %w", err))
			}
		}
		lock.Set(line)
	}
	if all && problems == nil {
		lock.Keep(kept)
	}
	if err := lock.Write(p.lock); err != nil {
		problems = append(problems, fmt.Errorf("socketserver: %w", err))
	}
	if problems != nil {
		return failed(errors.Join(problems...))
	}
	return nil
}
