package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/conformance"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/text"
)

// testOrder is that in which strategies are tried: where the first one fails, so may the others.
var testOrder = []string{"threading", "forking", "preforking", "synchronous"}

func newPluginTest() *cobra.Command {
	var b bench
	var file, send, expect string
	c := &cobra.Command{
		Use:   "test NAME|PATH [--send TEXT --expect TEXT]",
		Short: "Test whether a plugin keeps what servers and clients rely on",
		Long: `Test whether a plugin keeps what servers and clients rely on. It is served under every strategy that it
can have, to clients that end their input early, send single bytes, read slowly, say nothing, or reset. Each
result is a line, and the exit status is 1 where one failed. Most checks need to know an answer: give one by
--send and --expect, in which \n is a newline.`,
		Example: `  socketserver plugin test shout --send 'hello\n' --expect 'HELLO\n'` + "\n" +
			`  socketserver plugin test ./greet.sh --send 'bob\n' --expect 'hello, bob\n'`,
		Args: arguments(1, 1),
	}
	f := c.Flags()
	addPluginsFlag(c, &b.flags.PluginDirectory)
	addConfigFlag(c, &file)
	f.StringArrayVar(&b.flags.Set, "set", nil, "option of the plugin, as key=value; repeatable")
	f.StringVar(&send, "send", "", `what a client sends, as 'hello\n'`)
	f.StringVar(&expect, "expect", "", "what it is answered")
	f.StringArrayVar(&b.kit.Strategies, "concurrency", testOrder, "strategy to test under; repeatable")
	f.IntVar(&b.kit.Connections, "connections", 200, "connections after which descriptors and processes are counted")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if b.kit.Exchange, err = exchange(send, expect); err != nil {
			return err
		}
		const most = 10_000
		if b.kit.Connections < 1 || b.kit.Connections > most {
			return usage("--connections %d: take 1 to %d", b.kit.Connections, most)
		}
		for _, s := range b.kit.Strategies {
			if !slices.Contains(testOrder, s) {
				return usage("--concurrency %s is unknown; %s", s, suggest(s, testOrder))
			}
		}
		place, err := definedPlugins(c, file, &b.flags.PluginDirectory)
		if err != nil {
			return err
		}
		if b.block = place.defined[args[0]]; b.block != nil {
			b.flags.Plugin = args[0]
		} else if _, err := locate(args[0], &b.flags, "plugin", nil); err != nil {
			return err
		}
		return b.run(c)
	}
	return c
}

// exchange reads what a client sends and is answered. Both are given, or none.
func exchange(send, expect string) (e conformance.Exchange, err error) {
	if (send == "") != (expect == "") {
		return e, usage("--send and --expect belong together: what a client sends, and what it is answered")
	}
	for _, one := range []struct {
		flag, text string
		into       *string
	}{{"send", send, &e.Send}, {"expect", expect, &e.Expect}} {
		quoted := `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(one.text) + `"`
		if *one.into, err = strconv.Unquote(quoted); err != nil {
			return e, usage(`--%s %s: write a backslash as \\, a newline as \n and any byte as \x00`, one.flag, one.text)
		}
	}
	return e, nil
}

// A bench serves one plugin to the checks.
type bench struct {
	kit      conformance.Kit
	flags    config.Flags   // without addresses and strategy
	block    *config.Plugin // of the plugin in the configuration; nil: it has none
	networks []string       // that the plugin serves
}

func (b *bench) run(c *cobra.Command) error {
	ctx, stop := stopOnSignal(nil)
	defer stop()
	defer framework.AdoptOrphans()()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // as serve does
	d := definition(b.block)
	if b.flags.PluginPath != "" {
		d.Path = b.flags.PluginPath
	}
	d, is, err := askPlugin(ctx, b.flags.PluginDirectory, b.flags.Plugin, d)
	if err != nil {
		return failed(fmt.Errorf("socketserver: plugin test: %w", err))
	}
	if b.block == nil {
		b.block = &config.Plugin{}
	}
	b.block.Kind, b.block.Path = d.Kind, d.Path // what was built is not built again
	b.networks = is.Networks
	if len(b.networks) == 0 { // it needs options to be asked
		b.networks = []string{"tcp"}
	}
	counts := map[conformance.Outcome]int{}
	b.kit.Start, b.kit.Unknown = b.start, b.unknown
	b.kit.Report = func(r conformance.Result) {
		counts[r.Outcome]++
		line := fmt.Sprintf("%-7s  %-11s  %s", r.Outcome, r.Strategy, r.Check)
		if r.Why != "" {
			line += ": " + r.Why
		}
		fmt.Fprintln(c.OutOrStdout(), text.Line(line))
	}
	if err := b.kit.Run(ctx); err != nil {
		return failed(fmt.Errorf("socketserver: plugin test: %w", err))
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%d ok, %d failed, %d skipped\n", counts[conformance.OK], counts[conformance.Failed], counts[conformance.Skipped])
	if counts[conformance.Failed] > 0 {
		return statusError{code: exitFailed}
	}
	return err
}

// drainUnderTest is the drain timeout of servers under test.
const drainUnderTest = 5 * time.Second

// A benchCatalog is a catalog with the plugin under test alone.
type benchCatalog struct {
	*catalog
	block *config.Plugin
}

// Prepare implements [config.Catalog].
func (c benchCatalog) Prepare(conf *config.Config) {
	conf.Defined = map[string]*config.Plugin{conf.Servers[0].Handler.Name: c.block}
	c.catalog.Prepare(conf)
}

// Class implements [config.Catalog].
func (c benchCatalog) Class(s *config.Server) (*framework.HandlerClass, error) {
	s.Timeouts.Drain = drainUnderTest // before the class is configured with it
	return c.catalog.Class(s)
}

// load makes the configuration of a server at flags.Listen.
func (b *bench) load(ctx context.Context, flags config.Flags, log hclog.Logger) (*config.Config, error) {
	catalog := newCatalog(ctx, logFlags{})
	catalog.log = log
	c, err := config.FromFlags(flags, benchCatalog{catalog, b.block})
	if err != nil {
		catalog.close()
		return nil, shortened(err)
	}
	s := c.Servers[0]
	s.Limits = config.Limits{Line: s.Limits.Line} // all clients are one source
	s.Concurrency.MaxChildren *= 2                // as silent ones have at most half
	return c, nil
}

// shortened returns the messages of a configuration's errors, without their places.
func shortened(err error) error {
	var all *config.Errors
	if !errors.As(err, &all) {
		return err
	}
	var messages []string
	for _, e := range all.List {
		messages = append(messages, strings.Join(slices.DeleteFunc([]string{e.Message, e.Next}, func(s string) bool { return s == "" }), "; "))
	}
	return errors.New(strings.Join(messages, "; "))
}

// unknown starts the plugin with an option that nobody has.
func (b *bench) unknown(ctx context.Context, strategy string) error {
	flags := b.flags
	flags.Concurrency, flags.Listen = strategy, []string{b.networks[0] + "://" + defaultAddress(b.networks[0])}
	flags.Set = append(slices.Clip(flags.Set), "no_such_option=1")
	c, err := b.load(ctx, flags, hclog.NewNullLogger())
	if err == nil {
		return c.Servers[0].Class.Close()
	}
	return err
}

// start serves the plugin at free addresses, one for streams and one for datagrams.
func (b *bench) start(ctx context.Context, strategy string) (*conformance.Subject, error) {
	s := &conformance.Subject{Drain: drainUnderTest}
	flags := b.flags
	flags.Concurrency = strategy
	dir, err := os.MkdirTemp("", "socketserver-test")
	if err != nil {
		return nil, err
	}
	tidy := func() { _ = os.RemoveAll(dir) }
	for _, networks := range [][]string{{"tcp", "unix"}, {"udp"}} {
		for _, network := range networks {
			if slices.Contains(b.networks, network) {
				flags.Listen = append(flags.Listen, network+"://"+cmp.Or(defaultAddress(network), filepath.Join(dir, "s")))
				break
			}
		}
	}
	if len(flags.Listen) == 0 {
		return nil, fmt.Errorf("it serves %s alone, for which there are no checks", strings.Join(b.networks, " and "))
	}
	trouble := &lastError{}
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: trouble})
	s.Trouble = trouble.take
	c, err := b.load(ctx, flags, log)
	if err != nil {
		tidy()
		return nil, err
	}
	servers := supervisor.New(supervisor.Options{Log: log})
	socket, err := narrowSocket()
	if err != nil {
		return nil, errors.Join(err, c.Servers[0].Class.Close())
	}
	servers.Inherit([]systemd.Socket{socket})
	if _, err := servers.Apply(ctx, c); err != nil {
		tidy()
		return nil, err
	}
	for _, l := range servers.Status()[0].Listeners {
		at := &s.Stream
		if l.Network == "udp" {
			at = &s.Datagram
		}
		*at = conformance.Address{Network: l.Network, Address: l.Address}
	}
	s.Stop = func() {
		ended, end := context.WithCancel(context.Background())
		end()
		servers.Run(ended)
		_ = socket.File.Close()
		tidy()
	}
	return s, nil
}

// defaultAddress is where a network is served; empty: at a path.
func defaultAddress(network string) string {
	return map[string]string{"tcp": "fd/" + narrowName, "udp": "127.0.0.1:0"}[network]
}

const narrowName = "test"

// narrowSocket returns a listening socket of which connections take little of an answer at once.
func narrowSocket() (systemd.Socket, error) {
	l := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096) })
		return errors.Join(err, failed)
	}}
	listener, err := l.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return systemd.Socket{}, err
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	return systemd.Socket{Name: narrowName, Network: "tcp", Address: listener.Addr().String(), File: file}, err
}

// lastError keeps the last line of a log.
type lastError struct{ line atomic.Pointer[string] }

func (l *lastError) Write(p []byte) (int, error) {
	if line := strings.TrimSpace(string(p)); line != "" {
		l.line.Store(&line)
	}
	return len(p), nil
}

// take returns the last line since the last call.
func (l *lastError) take() string {
	if line := l.line.Swap(nil); line != nil {
		return *line
	}
	return ""
}
