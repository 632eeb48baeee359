package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

type (
	reloadRequest struct {
		DryRun bool `json:"dry_run"`
	}
	reloadAnswer struct {
		Plan supervisor.Plan `json:"plan"`
	}
)

func newReload() *cobra.Command {
	var how reloadRequest
	c := &cobra.Command{
		Use:   "reload [--dry-run]",
		Short: "Apply a changed configuration without a gap",
		Long:  "Have the running daemon read its configuration again and do the least that leads to it.\nThe plan is printed. Where it cannot be had nothing changes, and the exit status is 1.",
		Args:  noArguments,
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&how.DryRun, "dry-run", false, "check the configuration and print the plan alone")
	c.RunE = func(c *cobra.Command, _ []string) error { return askReload(c, path, "/v1/reload", how) }
	return c
}

func newPlugin() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "Replace or reset a plugin of the running daemon", Args: arguments(0, 0), RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
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
	c.AddCommand(reload, reset)
	return c
}

// askReload asks for a reload and prints the plan.
func askReload(c *cobra.Command, path func() (string, error), what string, body any) error {
	answer, err := ask[reloadAnswer](c, path, http.MethodPost, what, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), answer.Plan)
	return err
}
