package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// newPlugin returns the command of plugins: what their authors use, and what operators do to those of
// a running daemon.
func newPlugin() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Make, look at, test and replace plugins", Args: noSuchCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newPluginNew(), newPluginList(), newPluginDescribe(), newPluginBuild(), newPluginTest(), newPluginLock(), newPluginReload(), newPluginReset())
	return c
}

func newPluginReload() *cobra.Command {
	reload := &cobra.Command{
		Use:   "reload NAME",
		Short: "Replace the processes of a plugin while its servers serve",
		Long:  "Have the running daemon build the plugin again and start it, give it the next clients, and\nend the old one when its last client has gone. A plugin that does not start changes nothing.",
		Args:  arguments(1, 1),
	}
	path := addAdminFlag(reload)
	reload.RunE = func(c *cobra.Command, args []string) error {
		return askReload(c, path, "/v1/plugins/"+url.PathEscape(args[0])+"/reload", nil)
	}
	return reload
}

func newPluginReset() *cobra.Command {
	reset := &cobra.Command{
		Use:   "reset NAME",
		Short: "Start a plugin again that is not available",
		Long:  "Have the running daemon start a plugin at once that has failed too often, in place of waiting.",
		Args:  arguments(1, 1),
	}
	at := addAdminFlag(reset)
	reset.RunE = func(c *cobra.Command, args []string) error {
		_, err := ask[struct{}](c, at, http.MethodPost, "/v1/plugins/"+url.PathEscape(args[0])+"/reset", nil)
		return err
	}
	return reset
}
