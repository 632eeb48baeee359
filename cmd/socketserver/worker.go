package main

import (
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/distributed"
)

func newWorker() *cobra.Command {
	var file, address string
	var logs logFlags
	c := &cobra.Command{
		Use:   "worker [-c servers.hcl] [--listen ADDRESS]",
		Short: "Run handlers for the daemons of a cluster",
		Long: `Run the handlers of the servers that have concurrency "distributed", for the daemons of the
cluster that the configuration has. The configuration is that of the daemons. Nothing listens
but one address for the daemons, which is announced over NATS. Signals are those of serve.`,
		Example: "  socketserver worker\n  socketserver worker -c servers.hcl --listen 10.0.0.4:9700",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			return serve(serving{logs: logs, file: file, worker: address, load: func(catalog *catalog) (*config.Config, error) {
				catalog.only = "distributed"
				conf, err := config.Load(file, catalog)
				if err == nil {
					conf.Servers = slices.DeleteFunc(conf.Servers, func(s *config.Server) bool { return !catalog.serves(s) })
					err = workerOf(conf, file)
				}
				return conf, err
			}})
		},
	}
	addConfigFlag(c, &file)
	c.Flags().StringVar(&address, "listen", ":0", "address for the daemons; without a host it is announced as NATS sees this machine")
	logs.add(c.Flags())
	return c
}

// workerOf leaves of the distributed servers of a configuration what a worker does: their daemons apply limits, and have the sockets.
func workerOf(c *config.Config, file string) error {
	if len(c.Servers) == 0 {
		return fmt.Errorf("%s: no server has concurrency \"distributed\", so that there is nothing for a worker to do", file)
	}
	for _, s := range c.Servers {
		s.Transports, s.Access, s.Limits = nil, config.Access{}, config.Limits{Line: s.Limits.Line}
	}
	none := ""
	c.Admin, c.Metrics, c.Page, c.Log.Access = config.Admin{Socket: &none}, config.Metrics{}, config.Page{}, ""
	return nil
}

// distribute adds what distributed servers need: in a worker what takes their requests, and else what knows the workers.
func distribute(means *config.Means, c *config.Config, worker string, log hclog.Logger) (err error) {
	switch {
	case worker != "":
		if means.Serves, err = distributed.NewWorker(worker, log); err != nil {
			return fmt.Errorf("listen for daemons: %w", err)
		}
	case c.Cluster.URL != "":
		means.Front, err = distributed.NewFront(log)
	}
	return err
}
