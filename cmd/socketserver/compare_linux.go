package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/progress"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/render"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/subject"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin/wasm"
	"github.com/go-socketserver/socketserver/internal/text"
)

// strategies are the values of --strategies.
var strategies = compare.Strategies()

// compareFlags are the flags of compare. Most are options of the comparison.
type compareFlags struct {
	compare.Options
	file          string
	flags         config.Flags
	format        string
	strict, quiet bool
	verbose       bool
	save          string
	clients       []int
}

// becomeSubject makes this process a worker, or what a comparison started it as.
func becomeSubject() { subject.Become(findWorker, wasm.Constructor) }

func newCompare() *cobra.Command {
	o := &compareFlags{}
	c := &cobra.Command{
		Use:   "compare [TARGET | --handler NAME | --plugin NAME | -c FILE --server NAME | FILE.json | FILE FILE]",
		Short: "Compare the strategies: the same load and mishaps for each",
		Long: "Run one server under each strategy, in turns, and show what differs: rate, latency,\n" +
			"CPU and memory, and what happens when a handler misbehaves. TARGET is a name or path\n" +
			"as run takes it: a Python script is shown beside CPython's own servers with the same\n" +
			"handler. Without arguments it is the handler timestamp. The verdict is on top: what to\n" +
			"write in servers.hcl, why, and when not.\n\n" +
			"Strategies have the words of a configuration, as in forking, max_requests = 100, spares = 4;\n" +
			"plugin threading is a compiled-in handler in a plugin. ^C ends the comparison early: the\n" +
			"rounds that are done are reported, and the exit status is 1.",
		Example: "  socketserver compare\n" +
			"  socketserver compare ./greet.py\n" +
			"  socketserver compare ./greet.sh --send 'Ada\\n'\n" +
			"  socketserver compare --handler echo --strategies 'threading, forking, max_requests = 100, preforking'\n" +
			"  socketserver compare -c servers.hcl --server timestamp --peer python -o html > report.html\n" +
			"  socketserver compare --save before.json; socketserver compare before.json after.json\n" +
			"  socketserver compare --quiet --mishaps=false --assert 'threading.p99<5ms' --assert 'preforking.rate>0.8*threading.rate'",
		Args: arguments(0, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 || len(args) == 1 && filepath.Ext(args[0]) == ".json" {
				return o.showSaved(c, args)
			}
			if err := o.check(c, args); err != nil {
				return err
			}
			return runCompare(c, o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.file, "config", "c", "servers.hcl", "file, or directory of .hcl files, with --server")
	_ = c.MarkFlagFilename("config", "hcl")
	f.StringVar(&o.Server, "server", "", "server of the configuration")
	f.StringVar(&o.flags.Handler, "handler", "", "compiled-in handler (default timestamp)")
	f.StringVar(&o.flags.Plugin, "plugin", "", "plugin, in place of --handler")
	f.StringArrayVar(&o.flags.Set, "set", nil, "option of the handler, as key=value; repeatable")
	f.StringVar(&o.flags.PluginDirectory, "plugins", "plugins", "directory of the plugins")
	f.StringVar(&o.Network, "network", "", "tcp, udp, unix or unixgram (default: the server's first one, or tcp)")
	f.StringSliceVar(&o.Strategies, "strategies", nil, strings.Join(strategies, ", ")+", with settings as in \"forking, spares = 4\"")
	f.StringSliceVar(&o.Peers, "peer", nil, "python: CPython's own servers; asyncio, twisted: its event loops")
	f.StringSliceVar(&o.Loads, "loads", nil, "connections: one request each; conversations: long ones (default both)")
	f.IntSliceVar(&o.clients, "clients", []int{16}, "at once; several numbers, as in 1,4,16,64, are measured one after the other")
	f.DurationVar(&o.Duration, "duration", 3*time.Second, "of load for each strategy and kind of load, over all rounds")
	f.IntVar(&o.Rounds, "rounds", 10, "in which the strategies take turns")
	f.Float64Var(&o.Rate, "rate", 0, "requests per second of all clients together, answered or not (default: each client sends on receipt of its answer)")
	f.DurationVar(&o.Timeout, "timeout", 5*time.Second, "of a request")
	f.StringVar(&o.Message, "message", "", `what clients send; \n, \t, \xNN and \\ are escapes (default hello\n, or that of the handler); --send is the same`)
	f.StringVar(&o.Expect, "expect", "", "text of every answer; an answer without it is an error")
	f.StringVar(&o.Answer, "answer", "", "end of an answer: line (or the end of the connection), chunk (one read) or eof (default line, or that of the handler)")
	f.BoolVar(&o.Mishaps, "mishaps", true, "try what happens when a handler misbehaves")
	f.StringVarP(&o.format, "output", "o", "text", strings.Join(render.Formats(), ", "))
	f.StringArrayVar(&o.Assert, "assert", nil, "condition that sets the exit status, as in 'threading.p99<5ms'; repeatable")
	f.BoolVar(&o.strict, "strict", false, "exit with 1 when the machine was too noisy to tell")
	f.StringVar(&o.Table, "table", "", "unp: the servers of Unix Network Programming, chapter 30, with their CPU time")
	f.StringVar(&o.save, "save", "", "file to save the report in as well, as JSON; compare FILE.json shows it, and two of them beside each other")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no progress")
	f.BoolVar(&o.verbose, "verbose", false, "all numbers, mishaps and warnings, not only the verdict, a table and a chart")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "send" { // as in plugin test
			name = "message"
		}
		return pflag.NormalizedName(name)
	})
	return c
}

func runCompare(c *cobra.Command, o *compareFlags) error {
	ctx, stop := stopOnSignal(subject.Tidy)
	defer stop()
	if err := o.load(ctx, c); err != nil {
		return err
	}
	message, answer := compare.Ask(o.Base.Handler)
	o.Message, o.Answer = cmp.Or(o.Message, message), cmp.Or(o.Answer, answer)
	comparison, err := compare.New(o.Options)
	if err != nil {
		return usage("%v", err)
	}
	if err := comparison.Check(); err != nil {
		return failed(fmt.Errorf("socketserver: compare: %w", err))
	}
	var saved *os.File // opened first: a long comparison would be lost
	var unsaved error
	if o.save != "" {
		if saved, err = createFile(o.save); err != nil {
			return failed(fmt.Errorf("socketserver: compare: save the report: %w", err))
		}
		defer saved.Close()
	}
	stderr := c.ErrOrStderr()
	shown := progress.New(stderr, isTerminal(stderr), o.quiet)
	if o.Rounds < result.LeastRounds {
		shown.Warn(fmt.Sprintf("with %s nothing can be told apart; use --rounds %d or more", text.Counted(o.Rounds, "round"), result.LeastRounds))
	}
	report, interrupted := comparison.Run(ctx, shown)
	shown.Close()
	if report == nil {
		return failed(fmt.Errorf("socketserver: compare: %w", interrupted))
	}
	describeProgram(report, o.Base.Handler.Kind)
	if saved != nil {
		unsaved = errors.Join(render.Write(saved, report, "json", render.Options{}), saved.Close())
	}
	if err := errors.Join(render.Write(c.OutOrStdout(), report, o.format, o.rendering(c)), unsaved, interrupted); err != nil {
		return failed(fmt.Errorf("socketserver: compare: %w", err))
	}
	return o.verdict(report)
}

func (o *compareFlags) rendering(c *cobra.Command) render.Options {
	return render.Options{Color: isTerminal(c.OutOrStdout()) && os.Getenv("NO_COLOR") == "", Verbose: o.verbose}
}

// showSaved shows a saved report, or two beside each other.
func (o *compareFlags) showSaved(c *cobra.Command, paths []string) error {
	if err := render.Check(o.format); err != nil {
		return usage("--output: %v", err)
	}
	var refused error
	c.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"output", "verbose", "quiet"}, f.Name) {
			refused = usage("--%s is of a comparison, and %s is a saved report; leave it out", f.Name, paths[0])
		}
	})
	if refused != nil {
		return refused
	}
	var reports []*result.Report
	for _, path := range paths {
		r, err := result.Read(path)
		if err != nil {
			return failed(fmt.Errorf("socketserver: compare: %w", err))
		}
		reports = append(reports, r)
	}
	err := error(nil)
	if len(reports) == 2 {
		err = render.WritePair(c.OutOrStdout(), reports[0], reports[1], o.format, o.rendering(c))
	} else {
		err = render.Write(c.OutOrStdout(), reports[0], o.format, o.rendering(c))
	}
	if err != nil {
		return failed(fmt.Errorf("socketserver: compare: %w", err))
	}
	return nil
}

// load sets the server that is compared, and its plugin's program. Errors of its options are found
// here, once.
func (o *compareFlags) load(ctx context.Context, c *cobra.Command) error {
	catalog := newCatalog(ctx, logFlags{level: "warn"})
	defer catalog.close()
	var conf *config.Config
	var err error
	if c.Flags().Changed("config") || c.Flags().Changed("server") {
		conf, err = config.Load(o.file, catalog)
	} else {
		address := "127.0.0.1:0" // subjects listen at addresses of their own
		if strings.HasPrefix(o.Network, "unix") {
			address = "socket"
		}
		o.flags.Listen = []string{cmp.Or(o.Network, "tcp") + "://" + address}
		conf, err = config.FromFlags(o.flags, catalog)
	}
	if err != nil {
		return failed(err)
	}
	var names []string
	for _, s := range conf.Servers {
		if s.Name == o.Server || o.Server == "" && len(conf.Servers) == 1 {
			o.Base, o.Plugin = s, catalog.prepared[s.Handler.Name]
			return nil
		}
		names = append(names, s.Name)
	}
	if o.Server == "" {
		return usage("which server? add --server with one of %s", strings.Join(names, ", "))
	}
	return usage("--server: %s has no %q; it has %s", o.file, o.Server, strings.Join(names, ", "))
}

// verdict returns the error that sets the exit status.
func (o *compareFlags) verdict(r *result.Report) error {
	for _, a := range r.Assertions {
		if !a.Held {
			return failed(fmt.Errorf("socketserver: compare: %s does not hold: %s", a.Condition, a.Found))
		}
	}
	if why, ok := r.Unmeasured(); ok {
		return failed(fmt.Errorf("socketserver: compare: nothing could be measured: %s", why))
	}
	if o.strict && r.Noisy {
		return failed(errors.New("socketserver: compare: the machine was too noisy to tell; see the warnings"))
	}
	return nil
}

// describeProgram adds what only this program knows, and warns about children that cost more than they
// need to. Kind is that of the handler.
func describeProgram(r *result.Report, kind string) {
	e := &r.Environment
	e.Go, e.Version, e.Command = runtime.Version(), version(), commandLine()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				e.Commit = s.Value
			}
		}
	}
	forking := map[string]bool{} // by form
	for _, s := range r.Subjects {
		forking[s.Form] = forking[s.Form] || s.Strategy == "forking"
	}
	if _, ok := forking[result.Python]; ok {
		e.Python = subject.PythonVersion()
	}
	if forking[result.Compiled] && findWorker(hclog.NewNullLogger()) == nil {
		r.Warnings = append(r.Warnings, "forking starts this whole command for each child, as socketserver-worker, which starts several times faster, is not in its directory; build both: go build -o bin/ ./cmd/...")
	}
	if forking[result.Plugin] && kind == "handler" {
		r.Warnings = append(r.Warnings, "plugin forking starts this whole command for each child, as it is the plugin here; a plugin of its own is smaller and starts faster")
	}
}

// commandLine returns the command line, quoted for a shell.
func commandLine() string {
	words := []string{"socketserver"}
	for _, arg := range os.Args[1:] {
		words = append(words, text.ShellWord(arg))
	}
	return strings.Join(words, " ")
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
