package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/render"
	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// check checks the argument and the flags by themselves. Other packages check the rest.
func (o *compareFlags) check(c *cobra.Command, args []string) error {
	if err := render.Check(o.format); err != nil {
		return usage("--output: %v", err)
	}
	given := c.Flags().Changed
	if err := o.checkTarget(given, args); err != nil {
		return err
	}
	if err := o.checkLists(given); err != nil {
		return err
	}
	words := []struct {
		flag   string
		values []string
		known  string
	}{
		{"peer", o.Peers, strings.Join(compare.Peers, ", ")},
		{"loads", o.Loads, "connections, conversations, datagrams"},
		{"network", []string{o.Network}, ", tcp, udp, unix, unixgram"},
		{"table", []string{o.Table}, ", unp"},
		{"answer", []string{o.Answer}, ", line, chunk, eof"},
	}
	for _, w := range words {
		for _, value := range w.values {
			if !slices.Contains(strings.Split(w.known, ", "), value) {
				return usage("--%s %q: use %s", w.flag, value, strings.TrimPrefix(w.known, ", "))
			}
		}
	}
	if o.Table != "" {
		if given("strategies") || given("peer") || given("loads") || given("network") {
			return usage("--table has strategies, peers, a load and a network of its own; leave out --strategies, --peer, --loads and --network")
		}
		o.Loads, o.Network, o.Mishaps = []string{result.Connections}, "tcp", false
	}
	const leastRound = 10 * time.Millisecond
	slices.Sort(o.clients)
	o.clients = slices.Compact(o.clients)
	o.Sweep, o.Clients = o.clients[:len(o.clients)-1], o.clients[len(o.clients)-1]
	switch {
	case o.Rounds < 1 || o.Rounds > 1000:
		return usage("--rounds %d: take 1 to 1000", o.Rounds)
	case o.clients[0] < 1 || o.Clients > 60000:
		return usage("--clients %s: take 1 to 60000", c.Flags().Lookup("clients").Value)
	case o.Duration < time.Duration(o.Rounds)*leastRound || o.Duration > 24*time.Hour:
		return usage("--duration %s: take %s to 24h, which %d rounds share", o.Duration, time.Duration(o.Rounds)*leastRound, o.Rounds)
	case o.Timeout <= 0 || o.Timeout > time.Hour:
		return usage("--timeout %s: take some time, up to 1h", o.Timeout)
	case !(o.Rate >= 0 && o.Rate <= 1e9): // also NaN
		return usage("--rate %g: take requests per second, or 0", o.Rate)
	case o.Rate > 0 && o.Rate*o.Duration.Seconds()/float64(o.Rounds) < 10:
		return usage("--rate %g: that is less than 10 requests in a round of %s; use a longer --duration or fewer --rounds", o.Rate, o.Duration/time.Duration(o.Rounds))
	}
	message, err := strconv.Unquote(`"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(o.Message) + `"`)
	if err != nil || given("message") && message == "" {
		return usage("--message %q: give some text; write \\\\ for a backslash, and \\n, \\t or \\xNN", o.Message)
	}
	o.Message = message
	return nil
}

// checkLists refuses lists with doubles and with nothing between commas.
func (o *compareFlags) checkLists(given func(string) bool) error {
	for _, list := range []struct {
		flag  string
		names []string
	}{{"strategies", result.Names(o.Strategies)}, {"peer", o.Peers}, {"loads", o.Loads}} {
		if given(list.flag) && len(list.names) == 0 || slices.Contains(list.names, "") {
			return usage("--%s has an empty name; write names with one comma between two, or leave it out", list.flag)
		}
		for i, name := range list.names {
			if slices.Contains(list.names[:i], name) {
				return usage("--%s has %s twice; leave one out", list.flag, name)
			}
		}
	}
	return nil
}

// checkTarget checks what is to be compared.
func (o *compareFlags) checkTarget(given func(string) bool, args []string) error {
	for _, name := range []string{"handler", "plugin", "set"} {
		if (given("config") || given("server")) && given(name) {
			return usage("--%s and --config or --server exclude each other; use the server of the file, or leave those out", name)
		}
	}
	for _, name := range []string{"config", "server", "handler", "plugin"} {
		if len(args) > 0 && given(name) {
			return usage("%q and --%s exclude each other; leave one of them", args[0], name)
		}
	}
	switch {
	case len(args) > 0 && filepath.Ext(args[0]) == ".hcl":
		return usage("%q: for a configuration write -c %s", args[0], args[0])
	case len(args) > 0 && o.Table != "":
		return usage("--table compares servers that echo; leave out %q", args[0])
	case len(args) > 0:
		return target(args[0], &o.flags)
	case given("plugin") && given("handler"):
		return usage("--handler and --plugin exclude each other")
	case given("plugins") && !given("plugin"):
		return usage("--plugins belongs to --plugin; a file has its own plugins directory")
	case o.Table != "" && (o.flags.Handler != "echo" && o.flags.Handler != "" || o.flags.Plugin != "" || given("server") || given("config")):
		return usage("--table compares servers that echo; leave the handler out")
	case o.Table != "":
		o.flags.Handler = "echo"
	case o.flags.Plugin == "" && o.flags.Handler == "":
		o.flags.Handler = "timestamp"
	}
	return nil
}
