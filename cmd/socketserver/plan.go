package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/internal/text"
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

// askReload asks for a reload and prints the plan.
func askReload(c *cobra.Command, path func() (string, error), what string, body any) error {
	answer, err := ask[reloadAnswer](c, path, http.MethodPost, what, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text.Lines(answer.Plan.String())) // it may quote what a plugin says
	return err
}
