package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/internal/text"
)

// operate returns what does something with the server of a request, and answers with its status.
func (d *daemon) operate(do func(r *http.Request, name string) error) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		name := r.PathValue("server")
		if _, err := d.statusOf(name); err != nil {
			return nil, err
		}
		if err := do(r, name); err != nil {
			return nil, err
		}
		return d.statusOf(name)
	}
}

// A drainRequest bounds a drain.
type drainRequest struct {
	Wait string `json:"wait"` // as "10s"; empty: as long as the requests take
}

func (d *daemon) drain(r *http.Request, name string) error {
	var how drainRequest
	if err := read(r, &how, `{"wait": "10s"}`); err != nil {
		return err
	}
	ctx := r.Context()
	if how.Wait != "" {
		wait, err := time.ParseDuration(how.Wait)
		if err != nil {
			return fmt.Errorf("wait is %q; write it as 10s or 5m", how.Wait)
		}
		timeout, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		ctx = timeout
	}
	return d.servers.Drain(ctx, name)
}

// startServer starts a server that has stopped, as it is configured.
func (d *daemon) startServer(ctx context.Context, name string) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	was, err := d.servers.Stopped(name)
	if err != nil {
		return err
	}
	server, those := *was, *d.applied.Load().config
	those.Servers = []*config.Server{&server}
	catalog := newCatalog(ctx, d.logs)
	catalog.log = d.log
	catalog.Prepare(&those)
	if server.Class, err = catalog.newClass(&server); err != nil {
		catalog.close()
		return fmt.Errorf("server %q: %w", name, err)
	}
	return d.servers.Start(ctx, &server)
}

// restart stops a server, unless it has stopped, and starts it.
func (d *daemon) restart(ctx context.Context, name string) error {
	if _, err := d.servers.Stopped(name); err != nil {
		if err := d.servers.Stop(ctx, name); err != nil {
			return err
		}
	}
	return d.startServer(ctx, name)
}

// stop stops the daemon as a signal does, once the client has its answer.
func (d *daemon) stop(r *http.Request) (any, error) {
	context.AfterFunc(r.Context(), d.end)
	return struct{}{}, nil
}

// newOperations returns the commands that do something with one server.
func newOperations() []*cobra.Command {
	var commands []*cobra.Command
	for _, o := range []struct{ verb, short, long string }{
		{"suspend", "Refuse the clients of a server", "Clients are refused until resume; those of datagrams get no answer. The addresses stay\ntaken, and requests under way go on."},
		{"resume", "Serve the clients of a suspended server again", ""},
		{"drain", "Suspend a server and wait for its requests", "Suspend a server, and wait until none of its requests is under way. The exit status is 1 where\nsome are after --wait; they go on. See resume."},
		{"stop", "Stop a server, or the daemon", "Stop a server within its drain timeout, and wait for that. See start. Without a server the daemon\nstops, as by SIGTERM; this does not wait for it."},
		{"start", "Start a server that has stopped", ""},
		{"restart", "Stop a server and start it", "Stop a server within its drain timeout and start it with a new handler or process. Clients that come\nmeanwhile are refused; where they must not be, change the configuration and reload."},
	} {
		commands = append(commands, newOperation(o.verb, o.short, o.long))
	}
	return commands
}

func newOperation(verb, short, long string) *cobra.Command {
	c := &cobra.Command{Use: verb + " SERVER", Short: short, Long: long, Args: arguments(1, 1)}
	path := addAdminFlag(c)
	var wait time.Duration
	switch verb {
	case "drain":
		c.Use += " [--wait D]"
		c.Flags().DurationVar(&wait, "wait", 0, "wait at most that long, as 10s or 5m (default as long as requests take)")
	case "stop":
		c.Use, c.Args = "stop [SERVER]", arguments(0, 1)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if wait < 0 {
			return usage("--wait %s: write a duration above 0, such as 10s, or leave it out", wait)
		}
		if len(args) == 0 {
			_, err := ask[struct{}](c, path, http.MethodPost, "/v1/stop", nil)
			return err
		}
		var body any
		if wait > 0 {
			body = drainRequest{wait.String()}
		}
		answer, err := ask[statusAnswer](c, path, http.MethodPost, "/v1/servers/"+url.PathEscape(args[0])+"/"+verb, body)
		if err != nil {
			return err
		}
		s := answer.Servers[0] // which is followed by those that it has replaced
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s is %s, %s under way\n", s.Name, s.State, text.Counted(s.Active, "request"))
		return err
	}
	return c
}
