package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

func TestFlags(t *testing.T) {
	c, err := config.FromFlags(config.Flags{
		Listen:      []string{"tcp://:9000", "udp://localhost:9000", "unix:///run/s.sock", "unixgram://s.sock"},
		Concurrency: "forking", Handler: "echo", PluginDirectory: "elsewhere",
	}, catalog)
	require.NoError(t, err)
	require.Equal(t, "elsewhere", c.Plugins.Directory)
	var addresses []string
	for _, listener := range c.Servers[0].Transports {
		addresses = append(addresses, listener.Network+" "+listener.Address)
	}
	require.Equal(t, []string{"tcp :9000", "udp localhost:9000", "unix /run/s.sock", "unixgram s.sock"}, addresses)
}

func TestFlagsLikeAFile(t *testing.T) {
	flags, err := config.FromFlags(config.Flags{
		Listen:      []string{"tcp://localhost:9000", "unix://run/s.sock"},
		Concurrency: "forking", Handler: "greet", Set: []string{"requests=2"},
	}, catalog)
	require.NoError(t, err)
	file := parse(t, `server "greet" {
  transport "tcp" { address = "localhost:9000" }
  transport "unix" { address = "run/s.sock" }
  concurrency "forking" {}
  handler "greet" { requests = 2 }
}`)
	flags.Servers[0].Class, file.Servers[0].Class = nil, nil
	require.EqualError(t, file.Servers[0].Transports[0].At.Wrap(errors.New("in use")), "servers.hcl:2:31: in use\n      transport \"tcp\" { address = \"localhost:9000\" }\n                                  ^")
	file.Servers[0].Transports = placeless(file.Servers[0].Transports)
	require.Equal(t, file, flags)
}

func TestFlagsDefaults(t *testing.T) {
	c, err := config.FromFlags(config.Flags{Listen: []string{"udp://:0"}, Plugin: "shout", PluginDirectory: "x"}, catalog)
	require.NoError(t, err)
	require.Equal(t, "threading", c.Servers[0].Concurrency.Kind)
	require.Equal(t, config.Handler{Kind: "plugin", Name: "shout", Options: []byte("{}"), Directory: "."}, c.Servers[0].Handler)
	require.Equal(t, "x", c.Plugins.Directory)
}

func TestSet(t *testing.T) {
	for set, want := range map[string]string{
		`greeting=hello`:                `{"greeting": "hello"}`,
		`greeting=5`:                    `{"greeting": "5"}`,
		`greeting=true`:                 `{"greeting": "true"}`,
		`greeting=1e999999999`:          `{"greeting": "1e999999999"}`,
		`greeting=a=b`:                  `{"greeting": "a=b"}`,
		`greeting="quoted"`:             `{"greeting": "quoted"}`,
		`greeting=`:                     `{"greeting": ""}`,
		`requests=5`:                    `{"requests": 5}`,
		`tags=["a","b"]`:                `{"tags": ["a", "b"]}`,
		`requests=5 greeting=6 tags=[]`: `{"requests": 5, "greeting": "6", "tags": []}`,
	} {
		c, err := config.FromFlags(config.Flags{Listen: []string{"tcp://:0"}, Handler: "greet", Set: strings.Fields(set)}, catalog)
		require.NoError(t, err, set)
		require.JSONEq(t, want, string(c.Servers[0].Handler.Options), set)
	}
}

func TestFlagErrors(t *testing.T) {
	for _, c := range []struct {
		flags config.Flags
		want  string
	}{
		{config.Flags{Handler: "echo"}, `--listen: it is missing; add it, as in --listen tcp://localhost:9000`},
		{config.Flags{Listen: []string{"localhost:1"}, Handler: "echo"}, `--listen localhost:1: this is not a URL; write it as in tcp://localhost:9000 or unix:///run/server.sock`},
		{config.Flags{Listen: []string{"tls://:1"}, Handler: "echo"}, `--listen tls://:1: TLS needs a certificate; add --certificate FILE and --key FILE`},
		{config.Flags{Listen: []string{"tls://:1"}, Handler: "echo", Certificate: "none.pem"}, `--certificate none.pem: there is no such file; check the path, or write the file`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "echo", Certificate: "none.pem"}, `--certificate none.pem: no address is a tls:// or wss:// one; write --listen tls://host:port, or leave --certificate and --key out`},
		{config.Flags{Listen: []string{"tpc://:1"}, Handler: "echo"}, `--listen tpc://:1: there is no transport "tpc"; did you mean "tcp"?`},
		{config.Flags{Listen: []string{"tcp://:x"}, Handler: "echo"}, `--listen tcp://:x: "x" in ":x" is not a port; write a number from 0 to 65535 after the colon; 0 takes a free port`},
		{config.Flags{Listen: []string{"tcp://:1", "tcp://localhost:1"}, Handler: "echo"}, `--listen tcp://localhost:1: transport "tcp": localhost:1 is taken by tcp :1 of server "echo"; choose another one`},
		{config.Flags{Listen: []string{"udp://:1"}, Handler: "greet"}, `--listen udp://:1: transport "udp": handler "greet" serves "tcp" and "unix" only; use another handler, or another transport`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "ecko"}, `--handler ecko: there is no handler "ecko"; did you mean "echo"?`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "echo", Plugin: "shout"}, `--plugin shout: --handler excludes it; leave one of them`},
		{config.Flags{Listen: []string{"tcp://:1"}}, `--handler: it is missing; add it, or --plugin`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "echo", Concurrency: "sync"}, `--concurrency sync: there is no concurrency "sync"; did you mean "synchronous"?`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Set: []string{"greeting"}}, `--set greeting: this is not key=value; write it as in --set framing=line`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Set: []string{"requests=1", "requests=2"}}, `--set requests=2: the option "requests" is set twice; leave one of them`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Set: []string{"requests=true"}}, `--set requests=true: handler "greet": option "requests": is a bool where a number is wanted, as in requests = 0`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Set: []string{"requests=-1"}}, `--set requests=-1: handler "greet": option "requests": is negative; write 0 for no limit`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Set: []string{"reqests=1"}}, `--set reqests=1: handler "greet": option "reqests": there is no such option; did you mean "requests"?`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "room", Concurrency: "forking"}, `--concurrency forking: handler "room": "forking" makes no sense for it, as it keeps its members in memory, and what a request changes in its own process no other request sees; use --concurrency threading, or a file with isolated_state = true if each process may have its own; a handler that keeps it in Request.State has the same in all of them`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "shout"}, `--handler shout: there is no handler "shout"; there is a plugin of that name: use --plugin shout`},
		{config.Flags{Listen: []string{"tcp://:1"}, Plugin: "echo"}, `--plugin echo: there is no plugin "echo"; there is a handler of that name: use --handler echo`},
		{config.Flags{Listen: []string{"tcp://:1"}, Handler: "greet", Concurrency: "forking", Set: []string{"max_children=3"}}, `--set max_children=3: handler "greet": option "max_children": there is no such option; there are greeting, requests, tags`},
	} {
		_, err := config.FromFlags(c.flags, catalog)
		require.Error(t, err, c.want)
		require.Equal(t, c.want, report(err))
	}
}
