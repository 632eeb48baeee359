package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/accesslog"
	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

func newValidate() *cobra.Command {
	var file string
	var noPlugins bool
	var logs logFlags
	c := &cobra.Command{
		Use:   "validate [-c servers.hcl]",
		Short: "Check a configuration without listening",
		Long: `Check a configuration, and whether its servers could start on this machine: names are
looked up, and addresses, ports and the directories of sockets are checked without listening.
Whether an address is in use is not: its server may be running. The plugins that it names
are built, and started to be asked for their options, unless --no-plugins says otherwise.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := logs.check(); err != nil {
				return err
			}
			ctx, stop := stopOnSignal(nil)
			defer stop()
			if logs.level == "" {
				logs.level = "warn"
			}
			catalog := newCatalog(ctx, logs)
			catalog.skipPlugins = noPlugins
			conf, err := config.Load(file, catalog)
			if err == nil {
				warnIneffective(catalog.log, conf)
				err = errors.Join(checkBeside(ctx, conf), supervisor.Check(ctx, conf, supervisor.Options{Log: catalog.log, Means: findWorkers(catalog.log)}))
			}
			catalog.close()
			if err != nil {
				return failed(err)
			}
			for _, s := range conf.Servers {
				if s.State != nil && s.State.Backend != "memory" {
					fmt.Fprintf(c.OutOrStdout(), "server %q: %s\n", s.Name, s.State.Durability())
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s, no errors\n", file, text.Counted(len(conf.Servers), "server"))
			return err
		},
	}
	addConfigFlag(c, &file)
	c.Flags().BoolVar(&noPlugins, "no-plugins", false, "do not look at plugins")
	logs.add(c.Flags())
	return c
}

// checkBeside returns the errors that serve would return for the blocks beside the servers.
func checkBeside(ctx context.Context, c *config.Config) error {
	var errs []error
	add := func(block, what string, err error) {
		if err != nil {
			errs = append(errs, c.Places[block].Wrap(fmt.Errorf("%s: %w", what, err)))
		}
	}
	if c.Log.Access != "" {
		add("log", "access log", accesslog.Check(c.Log.Access))
	}
	if path := c.Admin.Socket; path != nil && *path != "" {
		add("admin", "admin socket", framework.CheckSocket("unix", *path, admin.SocketOptions(c.Admin.Allow)))
	}
	for _, web := range []struct{ block, address string }{{"metrics", c.Metrics.Address}, {"page", c.Page.Address}} {
		if web.address != "" {
			add(web.block, web.block, supervisor.CheckTransport(ctx, config.Transport{Network: "tcp", Address: web.address}))
		}
	}
	return errors.Join(errs...)
}
