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

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/metrics"
)

// endpoints are what the admin socket offers.
func (d *daemon) endpoints(ctx context.Context) []admin.Endpoint {
	return []admin.Endpoint{
		{Pattern: "GET /v1/status", Do: d.status},
		{Pattern: "GET /v1/status/{server}", Do: d.status},
		{Pattern: "GET /v1/cluster/status", Do: d.clusterStatus},
		{Pattern: "POST /v1/reload", Waits: true, Do: func(r *http.Request) (any, error) {
			var how reloadRequest
			if err := read(r, &how, `{"dry_run": true}`); err != nil {
				return nil, err
			}
			plan, err := d.reload(ctx, how.DryRun)
			return reloadAnswer{plan}, err
		}},
		{Pattern: "POST /v1/plugins/{plugin}/reload", Waits: true, Do: func(r *http.Request) (any, error) {
			plan, err := d.reloadPlugin(ctx, r.PathValue("plugin"))
			return reloadAnswer{plan}, err
		}},
		d.upgradeEndpoint(ctx),
		{Pattern: "GET /metrics", Handler: d.scrape()},
		{Pattern: "GET /healthz", Handler: metrics.Health(d.servers.Status)},
		{Pattern: "GET /debug/pprof/", Waits: true, Handler: http.HandlerFunc(pprof.Index)},
		{Pattern: "GET /debug/pprof/profile", Waits: true, Handler: http.HandlerFunc(pprof.Profile)},
		{Pattern: "POST /v1/plugins/{plugin}/reset", Do: func(r *http.Request) (any, error) {
			return struct{}{}, d.servers.ResetPlugin(r.PathValue("plugin"))
		}},
		{Pattern: "GET /v1/sources", Do: d.sources},
		{Pattern: "GET /v1/requests", Do: d.requests},
		{Pattern: "DELETE /v1/requests/{id}", Do: d.killRequest},
		{Pattern: "GET /v1/events", Handler: admin.Stream(d.events)},
		{Pattern: "PUT /v1/log-level", Do: d.logLevel},
		{Pattern: "POST /v1/servers/{server}/suspend", Do: d.operate(func(_ *http.Request, name string) error { return d.servers.Suspend(name) })},
		{Pattern: "POST /v1/servers/{server}/resume", Do: d.operate(func(_ *http.Request, name string) error { return d.servers.Resume(name) })},
		{Pattern: "POST /v1/servers/{server}/drain", Waits: true, Do: d.operate(d.drain)},
		{Pattern: "POST /v1/servers/{server}/stop", Waits: true, Do: d.operate(func(r *http.Request, name string) error { return d.servers.Stop(r.Context(), name) })},
		{Pattern: "POST /v1/servers/{server}/start", Waits: true, Do: d.operate(func(_ *http.Request, name string) error { return d.startServer(ctx, name) })},
		{Pattern: "POST /v1/servers/{server}/restart", Waits: true, Do: d.operate(func(_ *http.Request, name string) error { return d.restart(ctx, name) })},
		{Pattern: "POST /v1/stop", Do: d.stop},
	}
}

// read decodes the body of r, which may be empty, into value; example is what it may be.
func read(r *http.Request, value any, example string) error {
	if err := json.NewDecoder(r.Body).Decode(value); err != nil && !errors.Is(err, io.EOF) {
		return &admin.Error{Status: http.StatusBadRequest, Err: fmt.Errorf("the body is not %s: %w", example, err)}
	}
	return nil
}

// openAdmin opens the admin socket, where nobody is answered yet; nil without an error: there is none.
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
	s, err := d.openAdminAt(ctx, path, c.Allow)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	return s, nil
}

// openAdminAt opens the admin socket at path.
func (d *daemon) openAdminAt(ctx context.Context, path string, allow []string) (s *admin.Server, err error) {
	if d.adminSocket, err = d.servers.Open("unix", path, "admin", admin.SocketOptions(allow)); err != nil {
		return nil, err
	}
	if s, err = admin.Open(d.adminSocket.Socket, allow, d.endpoints(ctx), d.log); err != nil {
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
			return "", failed(errors.New("neither RUNTIME_DIRECTORY nor XDG_RUNTIME_DIR is set; name the daemon's socket with --admin: the daemon has one if its configuration says admin { socket = \"/path/admin.sock\" }"))
		}
		return path, nil
	}
}

// ask has the daemon answer a request.
func ask[T any](c *cobra.Command, path func() (string, error), method, what string, body any) (answer T, err error) {
	socket, err := path()
	if err != nil {
		return answer, err
	}
	if err := admin.Do(c.Context(), socket, method, what, body, &answer); err != nil {
		return answer, failed(err)
	}
	return answer, nil
}

// askTable asks for what there is of all servers, or of one, and prints it: as JSON, or as a table with a head.
func askTable[T any](c *cobra.Command, path func() (string, error), what string, server []string, asJSON bool, head string, rows func(answer T, table io.Writer)) error {
	if len(server) > 0 {
		what += "?server=" + url.QueryEscape(server[0])
	}
	answer, err := ask[T](c, path, http.MethodGet, what, nil)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), answer)
	}
	table := newTable(c.OutOrStdout(), head)
	rows(answer, table)
	return table.Flush()
}

// printJSON prints an answer as JSON that is safe to show.
func printJSON(w io.Writer, answer any) error {
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(escapeHidden(text)))
	return err
}
