package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/theatre"
)

// compared is what the theatre shows, in the flags of compare.
type compared struct{ compareFlags }

func (o *compared) add(f *pflag.FlagSet) {
	f.StringVar(&o.flags.Handler, "handler", "", "compiled-in handler (default: one that misbehaves on request)")
	f.StringArrayVar(&o.flags.Set, "set", nil, "option of the handler, as key=value; repeatable")
	f.StringVar(&o.flags.PluginDirectory, "plugins", "plugins", "directory of the plugins")
	f.StringSliceVar(&o.Strategies, "strategies", []string{"threading", "forking"}, "two of "+strings.Join(strategies, ", ")+", with settings as in \"forking, spares = 4\"")
}

// specs returns the two servers, and what clients send to them.
func (o *compared) specs(ctx context.Context, c *cobra.Command, args []string) (specs []subject.Spec, message string, err error) {
	misbehaves := len(args) == 0 && o.flags.Handler == ""
	if err := o.checkTarget(c.Flags().Changed, args); err != nil {
		return nil, "", err
	}
	if err := o.load(ctx, c); err != nil {
		return nil, "", err
	}
	comparison, err := compare.New(o.Options)
	if err != nil {
		return nil, "", usage("%v", err)
	}
	if specs = comparison.Specs(); len(specs) != 2 {
		return nil, "", usage("--strategies %s: take two", strings.Join(o.Strategies, ","))
	}
	if misbehaves {
		for i := range specs {
			specs[i].Server.Handler = config.Handler{Kind: "handler", Name: experiment.Name}
		}
	}
	message, _ = compare.Ask(o.Base.Handler)
	return specs, message, nil
}

// stage runs the servers and serves the page.
func (o *theatreFlags) stage(c *cobra.Command, args []string) error {
	ctx, stop := stopOnSignal(subject.Tidy)
	defer stop()
	specs, message, err := o.what.specs(ctx, c, args)
	if err != nil {
		return err
	}
	t := theatre.New(ctx, specs, message)
	t.Feed.ReadOnly = o.readOnly
	defer t.Close()
	defer stop() // before that
	if err := t.Start(); err != nil {
		return failed(fmt.Errorf("socketserver: theatre: %w", err))
	}
	if o.record != "" {
		file, err := os.Create(filepath.Clean(o.record))
		if err != nil {
			return failed(fmt.Errorf("socketserver: theatre: %w", err))
		}
		recorded := make(chan error, 1)
		go func() { recorded <- t.Feed.Record(ctx, file) }()
		defer func() {
			stop()
			if err := <-recorded; err != nil {
				fmt.Fprintln(c.ErrOrStderr(), "socketserver: theatre:", err)
			}
			_ = file.Close()
		}()
	}
	return o.serve(ctx, c.OutOrStdout(), &page.Page{Events: t.Feed, ReadOnly: o.readOnly, Commands: t.Commands()})
}
