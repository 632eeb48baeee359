package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/web"
)

// pageFlags are --page and --read-only, in place of the page block.
type pageFlags struct {
	set     *pflag.FlagSet
	address string
	only    bool
}

func (p *pageFlags) add(f *pflag.FlagSet) {
	p.set = f
	f.StringVar(&p.address, "page", "", "serve the live page, at "+config.DefaultPage+" or --page=host:port")
	f.Lookup("page").NoOptDefVal = config.DefaultPage
	f.BoolVar(&p.only, "read-only", false, "with --page: the page shows and takes no commands")
}

// take takes the address from the arguments where it was written apart from its flag.
func (p *pageFlags) take(args []string) (rest []string) {
	if len(args) == 1 && p.set.Changed("page") && p.address == config.DefaultPage {
		p.address = args[0]
		return nil
	}
	return args
}

// check checks the flags by themselves.
func (p *pageFlags) check() error {
	if !p.set.Changed("page") {
		if p.only {
			return usage("--read-only belongs to --page; in a file it is page { read_only = true }")
		}
		return nil
	}
	if err := config.CheckPage(p.address); err != nil {
		return usage("--page %s: %v", p.address, err)
	}
	return nil
}

// on returns what loads a configuration with the page of the flags, if they are given.
func (p *pageFlags) on(load func(*catalog) (*config.Config, error)) func(*catalog) (*config.Config, error) {
	if !p.set.Changed("page") {
		return load
	}
	return func(c *catalog) (*config.Config, error) {
		conf, err := load(c)
		if err == nil {
			conf.Page = config.Page{Address: p.address, ReadOnly: p.only}
			delete(conf.Places, "page")
		}
		return conf, err
	}
}

// A livePage is the page of a daemon while it is served.
type livePage struct {
	config  config.Page
	sockets []*supervisor.Socket
	server  *web.Server // nil: there is none
	feed    *feed.Feed
}

// openPage serves the page that a configuration has. Several may be served at once.
func (d *daemon) openPage(ctx context.Context, c config.Page) (_ *livePage, err error) {
	p := &livePage{config: c}
	if c.Address == "" {
		return p, nil
	}
	if p.sockets, err = d.servers.OpenAll(ctx, config.Transport{Network: "tcp", Address: c.Address}, "page"); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	host, _, _ := net.SplitHostPort(c.Address)
	p.feed = feed.New(feed.Servers(d.servers), feed.Period, 0)
	p.feed.ReadOnly = c.ReadOnly
	answers := &page.Page{Token: d.token, Host: host, Events: p.feed, ReadOnly: c.ReadOnly, Commands: d.pageCommands(ctx), Chat: http.HandlerFunc(d.pageChat)}
	p.server = web.New(answers, d.log)
	at, err := p.server.Serve(p.sockets)
	if err != nil {
		d.closePage(p)
		return nil, fmt.Errorf("page: %w", err)
	}
	d.log.Info("page", "url", answers.URL(at[0]))
	for _, address := range at {
		if !page.IsLocal(address) {
			d.log.Warn("other machines reach the page, and what they send and get is not encrypted", "address", address.String(), "next", "use localhost, and ssh -L from elsewhere")
		}
	}
	return p, nil
}

// closePage frees its addresses.
func (d *daemon) closePage(p *livePage) {
	if p == nil || p.server == nil {
		return
	}
	_ = p.server.Close()
	p.feed.Close()
	d.servers.Release(p.sockets...)
	p.server = nil
}

// applyServers makes c what the servers run, and serves the page that it has. Where either fails the
// page stays as it was.
func (d *daemon) applyServers(ctx context.Context, c *config.Config) (supervisor.Plan, error) {
	if d.page != nil && d.page.config == c.Page {
		return d.servers.Apply(ctx, c)
	}
	next, err := d.openPage(ctx, c.Page)
	if err != nil {
		return nil, c.Places["page"].Wrap(err)
	}
	plan, err := d.servers.Apply(ctx, c)
	if err != nil {
		d.closePage(next)
		return nil, err
	}
	d.closePage(d.page)
	d.page = next
	return plan, nil
}

// pageChat relays a WebSocket of the page to a server, which refuses pages of other origins. The page has
// checked the origin.
func (d *daemon) pageChat(w http.ResponseWriter, r *http.Request) {
	var at supervisor.Listener
	for _, v := range d.servers.Views() {
		if v.Name == r.URL.Query().Get("server") {
			at, _ = v.WebSocket()
		}
	}
	if at.Address == "" {
		http.NotFound(w, r)
		return
	}
	relay := httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL, p.Out.Host = &url.URL{Scheme: "http", Host: at.Address, Path: at.Path}, ""
			p.Out.Header.Del("Origin")
			p.Out.Header.Del("Cookie") // it has the token
		},
		Transport: &http.Transport{DisableKeepAlives: true}, // without the environment's proxy
		ErrorLog:  d.log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	relay.ServeHTTP(w, r)
}

// pageCommands are what the page can do, which is a part of what the admin socket can.
func (d *daemon) pageCommands(ctx context.Context) map[string]page.Command {
	return map[string]page.Command{
		"kill": func(r *http.Request) error {
			var what struct {
				Server string `json:"server"`
				Pid    int    `json:"pid"`
			}
			if err := read(r, &what, `{"server": "echo", "pid": 4711}`); err != nil {
				return err
			}
			return d.servers.KillProcess(what.Server, what.Pid)
		},
		"servers": func(r *http.Request) error {
			var what struct {
				Server string `json:"server"`
				Action string `json:"action"`
			}
			if err := read(r, &what, `{"server": "echo", "action": "suspend"}`); err != nil {
				return err
			}
			d.log.Info("page request", "server", what.Server, "action", what.Action, "client", r.RemoteAddr)
			switch what.Action {
			case "suspend":
				return d.servers.Suspend(what.Server)
			case "resume":
				return d.servers.Resume(what.Server)
			case "drain":
				return d.servers.Drain(r.Context(), what.Server)
			case "restart":
				return d.restart(ctx, what.Server)
			}
			return fmt.Errorf("there is no action %q", what.Action)
		},
	}
}
