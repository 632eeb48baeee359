package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
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
	if err := o.checkLists(c.Flags().Changed); err != nil {
		return nil, "", err
	}
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
		return nil, "", usage("--strategies %s: take two, as in threading,forking", strings.Join(o.Strategies, ","))
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
func (o *theatreFlags) stage(c *cobra.Command, args []string) (ended error) {
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
	if err := t.Start(); ctx.Err() != nil {
		return failed(errors.New("socketserver: theatre: interrupted"))
	} else if err != nil {
		return failed(fmt.Errorf("socketserver: theatre: %w", err))
	}
	if o.record != "" {
		file, err := createFile(o.record)
		if err != nil {
			return failed(fmt.Errorf("socketserver: theatre: %w", err))
		}
		recorded := make(chan error, 1)
		go func() { recorded <- recordTo(ctx, t.Feed, file, c.ErrOrStderr()) }()
		defer func() {
			stop()
			ended = cmp.Or(ended, <-recorded)
		}()
	}
	return o.serve(ctx, c.OutOrStdout(), &page.Page{Events: t.Feed, ReadOnly: o.readOnly, Commands: t.Commands()})
}

// recordTo records what the page shows, and closes the file. An error is printed when it happens, as the theatre goes
// on: what is returned only sets the exit status.
func recordTo(ctx context.Context, shown *feed.Feed, file *os.File, stderr io.Writer) error {
	err := errors.Join(shown.Record(ctx, file), file.Close())
	if err == nil {
		return nil
	}
	fmt.Fprintf(stderr, "socketserver: theatre: %v; the recording ends here, and the theatre goes on\n", err)
	return statusError{code: exitFailed}
}

// createFile creates a file for output, or empties it. A pipe that nobody reads is an error: it would block.
func createFile(path string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o666)
	if errors.Is(err, syscall.ENXIO) {
		err = fmt.Errorf("nothing reads the pipe %s; start its reader first, or name a file", path)
	}
	return file, err
}
