package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// A requestsAnswer lists the requests under way.
type requestsAnswer struct {
	Requests []supervisor.Request `json:"requests"`
}

func (d *daemon) requests(r *http.Request) (any, error) {
	name := r.URL.Query().Get("server")
	if _, err := d.statusOf(name); err != nil {
		return nil, err
	}
	return requestsAnswer{d.servers.Requests(name)}, nil
}

func (d *daemon) killRequest(r *http.Request) (any, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no id of a request; see socketserver ps", r.PathValue("id"))
	}
	return struct{}{}, d.servers.KillRequest(id)
}

func (a requestsAnswer) rows(table io.Writer) {
	for _, r := range a.Requests {
		pid := strconv.Itoa(r.Pid)
		if r.Pid == 0 {
			pid = "waits"
		}
		lasts := age(r.Since)
		if r.Overdue {
			lasts += ", overdue"
		}
		writeRow(table, r.ID, r.Server, r.Network, r.Client, pid, lasts)
	}
}

func newPs() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ps [SERVER] [--json]",
		Short: "List the requests under way",
		Args:  arguments(0, 1),
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, args []string) error {
		return askTable(c, path, "/v1/requests", args, asJSON, "ID\tSERVER\tNETWORK\tCLIENT\tPID\tAGE", requestsAnswer.rows)
	}
	return c
}

func newKill() *cobra.Command {
	c := &cobra.Command{
		Use:   "kill ID",
		Short: "End a request by force",
		Long:  "End a request of socketserver ps by force: its connection is closed, and under forking its\nprocess killed. One in a process that has other requests is refused.",
		Args:  arguments(1, 1),
	}
	path := addAdminFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		_, err := ask[struct{}](c, path, http.MethodDelete, "/v1/requests/"+url.PathEscape(args[0]), nil)
		return err
	}
	return c
}
