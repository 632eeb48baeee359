package main

import (
	"context"
	"io"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/importer"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

func newImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import [xinetd|inetd|systemd] FILE|DIRECTORY...",
		Short: "Print servers.hcl for the files of xinetd, inetd or systemd",
		Long: `Print servers.hcl for configurations of xinetd, inetd and systemd (.socket and .service).
What has no counterpart is printed as a comment, and so is a server that could not be carried
over without letting in more clients. Without a format the contents of each file decide.`,
		Example: "  socketserver import /etc/xinetd.conf > servers.hcl\n" +
			"  socketserver import systemd /etc/systemd/system/finger.socket",
		RunE: func(c *cobra.Command, args []string) error {
			format := ""
			if len(args) > 0 && slices.Contains(importer.Formats(), args[0]) {
				format, args = args[0], args[1:]
			}
			if len(args) == 0 {
				return usage("import needs a file or a directory; write: socketserver import /etc/xinetd.conf")
			}
			hcl, err := importer.Import(format, args, func(src string) error { return checkLast(src) })
			if err != nil {
				return failed(err)
			}
			_, err = io.WriteString(c.OutOrStdout(), hcl)
			return err
		},
	}
}

// checkLast checks a configuration as validate does, on this machine its last server alone.
func checkLast(src string) error {
	ctx := context.Background()
	catalog := newCatalog(ctx, logFlags{level: "warn"})
	catalog.skipPlugins = true
	c, err := config.Parse("servers.hcl", []byte(src), catalog)
	if err != nil {
		return err
	}
	c.Servers = c.Servers[len(c.Servers)-1:]
	return supervisor.Check(ctx, c, supervisor.Options{Log: hclog.NewNullLogger()})
}
