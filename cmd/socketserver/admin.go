package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/pprof"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/metrics"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// endpoints are what the admin socket offers.
func (d *daemon) endpoints(ctx context.Context) []admin.Endpoint {
	return []admin.Endpoint{
		{Pattern: "GET /v1/status", Do: d.status},
		{Pattern: "GET /v1/status/{server}", Do: d.status},
		{Pattern: "POST /v1/reload", Do: func(r *http.Request) (any, error) {
			var how reloadRequest
			if err := json.NewDecoder(r.Body).Decode(&how); err != nil && !errors.Is(err, io.EOF) {
				return nil, &admin.Error{Status: http.StatusBadRequest, Err: fmt.Errorf("the body is not {\"dry_run\": true}: %w", err)}
			}
			plan, err := d.reload(ctx, how.DryRun)
			return reloadAnswer{plan}, err
		}},
		{Pattern: "POST /v1/plugins/{plugin}/reload", Do: func(r *http.Request) (any, error) {
			plan, err := d.reloadPlugin(ctx, r.PathValue("plugin"))
			return reloadAnswer{plan}, err
		}},
		d.upgradeEndpoint(ctx),
		{Pattern: "GET /metrics", Handler: d.scrape()},
		{Pattern: "GET /healthz", Handler: metrics.Health(d.servers.Status)},
		{Pattern: "GET /debug/pprof/", Handler: http.HandlerFunc(pprof.Index)},
		{Pattern: "GET /debug/pprof/profile", Handler: http.HandlerFunc(pprof.Profile)},
	}
}

// scrape answers Prometheus.
func (d *daemon) scrape() http.Handler {
	return metrics.Handler(metrics.Source{Counts: d.servers.Counts, Reloads: &d.reloads, Version: version()})
}

type (
	reloadRequest struct {
		DryRun bool `json:"dry_run"`
	}
	reloadAnswer struct {
		Plan supervisor.Plan `json:"plan"`
	}
	statusAnswer struct {
		Pid     int                 `json:"pid"`
		Servers []supervisor.Status `json:"servers"`
	}
)

// status answers with the status of one server or of all.
func (d *daemon) status(r *http.Request) (any, error) {
	name := r.PathValue("server")
	answer := statusAnswer{os.Getpid(), []supervisor.Status{}}
	var names []string
	for _, s := range d.servers.Status() {
		names = append(names, s.Name)
		if name == "" || s.Name == name {
			answer.Servers = append(answer.Servers, s)
		}
	}
	if name != "" && len(answer.Servers) == 0 {
		return nil, &admin.Error{Status: http.StatusNotFound, Err: fmt.Errorf("there is no server %q; %s", name, suggest(name, names))}
	}
	return answer, nil
}

// openAdmin opens the admin socket; nil without an error: there is none.
func (d *daemon) openAdmin(ctx context.Context, c config.Admin) (*admin.Server, error) {
	path := admin.DefaultPath()
	if c.Socket != nil {
		path = *c.Socket
	}
	if path == "" {
		return nil, nil
	}
	if c.Socket == nil {
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("admin socket: %w", err)
		}
	}
	s, err := d.serveAdmin(ctx, path, c.Allow)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return s, nil
}

// serveAdmin serves the admin socket at path.
func (d *daemon) serveAdmin(ctx context.Context, path string, allow []string) (s *admin.Server, err error) {
	if d.adminSocket, err = d.servers.Open("unix", path, "admin", admin.SocketOptions(allow)); err != nil {
		return nil, err
	}
	if s, err = admin.Serve(d.adminSocket.Socket, allow, d.endpoints(ctx), d.log); err != nil {
		d.servers.Release(d.adminSocket)
	}
	return s, err
}

// addAdminFlag adds --admin. The function that it returns has the path.
func addAdminFlag(c *cobra.Command) func() (string, error) {
	var path string
	c.Flags().StringVar(&path, "admin", "", "admin socket of the daemon (default $RUNTIME_DIRECTORY/admin.sock or $XDG_RUNTIME_DIR/socketserver/admin.sock)")
	_ = c.MarkFlagFilename("admin")
	return func() (string, error) {
		if path == "" {
			path = admin.DefaultPath()
		}
		if path == "" {
			return "", failed(errors.New("neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set; name the daemon's socket with --admin"))
		}
		return path, nil
	}
}

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
	c := &cobra.Command{Use: "plugin", Short: "Replace a plugin that runs", Args: arguments(0, 0), RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
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
	c.AddCommand(reload)
	return c
}

// askReload asks for a reload and prints the plan.
func askReload(c *cobra.Command, path func() (string, error), what string, body any) error {
	socket, err := path()
	if err != nil {
		return err
	}
	var answer reloadAnswer
	if err := admin.Do(c.Context(), socket, http.MethodPost, what, body, &answer); err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), answer.Plan)
	return err
}

func newStatus() *cobra.Command {
	var asJSON, ready bool
	c := &cobra.Command{
		Use:   "status [SERVER] [--json] [--ready]",
		Short: "What the running daemon does",
		Args:  arguments(0, 1),
	}
	path := addAdminFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.Flags().BoolVar(&ready, "ready", false, "print nothing; the exit status is 1 unless every server serves")
	c.RunE = func(c *cobra.Command, args []string) error {
		socket, err := path()
		if err != nil {
			return err
		}
		what := "/v1/status"
		if len(args) > 0 {
			what += "/" + url.PathEscape(args[0])
		}
		var answer statusAnswer
		if err := admin.Do(c.Context(), socket, http.MethodGet, what, nil, &answer); err != nil {
			return failed(err)
		}
		switch {
		case ready:
			return answer.ready()
		case asJSON:
			text, err := json.MarshalIndent(answer, "", "  ")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), string(text))
			return err
		}
		return answer.print(c.OutOrStdout())
	}
	return c
}

// ready returns an error that names the servers that do not serve.
func (a statusAnswer) ready() error {
	var not []string
	for _, s := range a.Servers {
		if s.State != supervisor.Serving && !s.Old {
			not = append(not, s.Name+" is "+string(s.State))
		}
	}
	if len(not) > 0 {
		return failed(errors.New(strings.Join(not, "; ")))
	}
	return nil
}

func (a statusAnswer) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVER\tSTATE\tSTRATEGY\tHANDLER\tREQUESTS\tPROCESSES\tLISTENS ON")
	for _, s := range a.Servers {
		var listeners []string
		for _, l := range s.Listeners {
			listeners = append(listeners, l.Network+" "+l.Address)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Name, s.State, s.Strategy, s.Handler, s.Active, len(s.Workers), strings.Join(listeners, ", "))
	}
	return table.Flush()
}
