package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
	"github.com/go-socketserver/socketserver/cmd/socketserver/web"
	"github.com/go-socketserver/socketserver/internal/regular"
)

// theatreFlags are the flags of theatre. what is compared is as for compare.
type theatreFlags struct {
	what                    compared
	address, record, replay string
	readOnly, quiet         bool
}

func newTheatre() *cobra.Command {
	var o theatreFlags
	c := &cobra.Command{
		Use:   "theatre [TARGET | --handler NAME] [--strategies A,B]",
		Short: "Two strategies side by side on a live page, with mishaps",
		Long: `Start one server under two strategies, each in processes of its own, and open a page that shows both.
Its buttons have the same clients come to both, and have handlers misbehave or processes die. Without
a TARGET the handler is one that can do that; with one, as run takes it, processes can still be killed.
The page is for this machine, at an address with a token. ^C ends it.`,
		Example: "  socketserver theatre\n" +
			"  socketserver theatre --strategies threading,preforking\n" +
			"  socketserver theatre --handler echo\n" +
			"  socketserver theatre --record lecture.frames\n" +
			"  socketserver theatre --replay lecture.frames",
		Args: arguments(0, 1),
	}
	f := c.Flags()
	o.what.add(f)
	f.StringVar(&o.address, "page", "localhost:0", "host:port of the page")
	f.StringVar(&o.record, "record", "", "file to record what the page shows in")
	f.StringVar(&o.replay, "replay", "", "file that --record has written, to show in place of servers")
	f.BoolVar(&o.readOnly, "read-only", false, "the page shows and takes no commands")
	f.BoolVar(&o.quiet, "no-browser", false, "print the address and open no browser")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := config.CheckPage(o.address); err != nil {
			return usage("--page %s: %v", o.address, err)
		}
		if !c.Flags().Changed("replay") {
			return o.stage(c, args)
		}
		for _, name := range []string{"record", "strategies", "handler", "set", "plugins"} {
			if c.Flags().Changed(name) {
				return usage("--replay shows what was recorded; leave out --%s", name)
			}
		}
		if len(args) > 0 {
			return usage("--replay shows what was recorded; leave out %q", args[0])
		}
		return o.play(c.OutOrStdout())
	}
	return c
}

// play shows a recording.
func (o *theatreFlags) play(out io.Writer) error {
	file, err := regular.OpenInput(o.replay)
	if err != nil {
		return failed(fmt.Errorf("socketserver: theatre: %w", err))
	}
	defer file.Close()
	recorded, err := feed.Load(file)
	if err != nil {
		return failed(fmt.Errorf("socketserver: theatre: %s: %w", o.replay, err))
	}
	ctx, stop := stopOnSignal(nil)
	defer stop()
	return o.serve(ctx, out, &page.Page{Events: recorded, ReadOnly: true})
}

// serve serves a page until ctx is done.
func (o *theatreFlags) serve(ctx context.Context, out io.Writer, p *page.Page) error {
	l, err := net.Listen("tcp", o.address)
	if err != nil {
		return failed(fmt.Errorf("socketserver: theatre: %w", err))
	}
	p.Token = page.NewToken()
	p.Host, _, _ = net.SplitHostPort(o.address)
	server := web.New(http.Handler(p), hclog.NewNullLogger())
	server.Listen(l)
	defer server.Close()
	address := p.URL(l.Addr())
	fmt.Fprintf(out, "the page is at %s\n^C ends it\n", address)
	if !o.quiet {
		if err := openBrowser(address); err != nil {
			fmt.Fprintf(out, "%v; open it yourself\n", err)
		}
	}
	<-ctx.Done()
	return nil
}

// openBrowser opens an address, where there is a display.
func openBrowser(address string) error {
	open := exec.Command("xdg-open", address)
	switch runtime.GOOS {
	case "darwin":
		open = exec.Command("open", address)
	case "windows":
		open = exec.Command("rundll32", "url.dll,FileProtocolHandler", address)
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return errors.New("there is no display")
		}
	}
	if err := open.Start(); err != nil {
		return fmt.Errorf("no browser was started: %w", err)
	}
	go func() { _ = open.Wait() }()
	return nil
}
