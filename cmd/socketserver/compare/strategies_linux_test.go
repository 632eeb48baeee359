package compare

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func names(chosen []strategy) []string {
	var all []string
	for _, s := range chosen {
		all = append(all, s.name)
	}
	return all
}

func TestChoose(t *testing.T) {
	usual := []string{"synchronous", "threading", "forking", reused, "preforking", "plugin threading", "plugin forking", "plugin preforking"}
	peers := []string{"CPython ThreadingTCPServer", "CPython ForkingTCPServer"}
	ofPlugin := []string{"threading", "forking", "preforking"}
	for _, c := range []struct {
		options Options
		want    []string
	}{
		{wish("handler", "tcp"), usual},
		{beside(wish("handler", "tcp"), Python), slices.Concat(usual, peers)},
		{beside(wish("handler", "tcp"), "twisted", "asyncio"), slices.Concat(usual, []string{"CPython asyncio", "Twisted"})},
		{wish("handler", "udp"), usual},
		{beside(wish("handler", "udp", "threading"), Python), []string{"threading", "CPython UDPServer", "CPython ThreadingUDPServer", "CPython ForkingUDPServer"}},
		{wish("plugin", "tcp"), ofPlugin},
		{beside(wish("plugin", "tcp"), Python), slices.Concat(ofPlugin, peers)},
		{wish("plugin", "tcp", "CPython ThreadingTCPServer"), peers[:1]},
		{wish("plugin", "tcp", "threading", "forking", " max_requests=9", "plugin preforking"), []string{"threading", "forking, max_requests = 9", "preforking"}},
		{wish("handler", "tcp", "preforking", "forking", "spares = 4", "preforking"), []string{"preforking", "forking, spares = 4"}},
		{wish("handler", "tcp", "threading", "CPython TCPServer"), []string{"threading", "CPython TCPServer"}},
		{beside(wish("handler", "tcp", "threading"), Python), slices.Concat([]string{"threading"}, peers)},
		{ofKind(plugin.Python, wish("plugin", "tcp")), slices.Concat(ofPlugin, peers)},
		{ofKind(plugin.Python, wish("plugin", "tcp", "forking")), ofPlugin[1:2]},
		{ofKind(plugin.Python, wish("plugin", "tcp", "CPython ForkingTCPServer")), peers[1:]},
		{ofKind(plugin.Stdio, wish("plugin", "tcp")), ofPlugin[:2]},
		{ofKind(plugin.Wasm, wish("plugin", "tcp")), ofPlugin},
	} {
		got, _, err := c.options.choose()
		require.NoError(t, err)
		require.Equal(t, c.want, names(got), c.options)
	}
}

const reused = "forking, max_requests = 100, spares = 4"

// wish returns options for a kind of handler over a network; no names: the default strategies.
func wish(kind, network string, names ...string) Options {
	return Options{
		Base: &config.Server{Handler: config.Handler{Kind: kind}, Concurrency: config.DefaultConcurrency("threading")}, Settings: result.Settings{Network: network}, Strategies: names,
	}
}

// beside returns options with the servers of peers.
func beside(o Options, peers ...string) Options {
	o.Peers = peers
	return o
}

// ofKind returns options for a plugin of that kind.
func ofKind(k plugin.Kind, o Options) Options {
	o.Plugin.Kind = k
	return o
}

// What the kind of a plugin leaves out is reported by name.
func TestChooseWarns(t *testing.T) {
	o := ofKind(plugin.Stdio, wish("plugin", "tcp"))
	_, warnings, err := o.choose()
	require.NoError(t, err)
	require.Equal(t, []string{"preforking is left out: it cannot run a program that is started for each request; use forking"}, warnings)
}

func TestChooseRefuses(t *testing.T) {
	for want, o := range map[string]Options{
		`there is no strategy "threding"; did you mean "threading"?`:                                            wish("handler", "tcp", "threding"),
		`needs a cluster with workers on other machines, which compare does not start`:                          wish("handler", "tcp", "distributed"),
		`there is no strategy "fibers"; there are forking, preforking, synchronous, threading,`:                 wish("handler", "tcp", "fibers"),
		`strategy "forking, spare = 4": there is no "spare"; forking has max_children, max_requests and spares`: wish("handler", "tcp", "forking, spare = 4"),
		`strategy "preforking, workers = 0": workers is a number from 1 to 1000`:                                wish("handler", "tcp", "preforking, workers = 0"),
		`strategy "synchronous, workers = 2": synchronous has no settings`:                                      wish("handler", "tcp", "synchronous, workers = 2"),
		"preforking cannot run a program that is started for each request; use forking":                         ofKind(plugin.Stdio, wish("plugin", "tcp", "preforking")),
		reused + " has nothing to reuse, as each request has a process of its own":                              ofKind(plugin.Python, wish("plugin", "tcp", reused)),
	} {
		_, _, err := o.choose()
		require.ErrorContains(t, err, want)
	}
}

// A strategy that the user configured keeps its limits; others have the defaults.
func TestSpec(t *testing.T) {
	own := config.Server{
		Transports:  []config.Transport{{Network: "tcp"}},
		Concurrency: config.Concurrency{Kind: "forking", MaxChildren: 7, MaxRequests: 30, Spares: 2},
		Limits:      config.Limits{Connections: 100, PerSource: 3},
	}
	bounded := own
	bounded.Concurrency = config.Concurrency{Kind: "threading", MaxThreads: 5}
	for _, c := range []struct {
		name string
		base config.Server
		want string
	}{
		{"synchronous", own, `concurrency "synchronous" {}`},
		{"threading", own, `concurrency "threading" {}`},
		{"threading", bounded, "concurrency \"threading\" {\n  max_threads = 5\n}"},
		{"forking", own, "concurrency \"forking\" {\n  max_children = 7\n}"},
		{"forking", bounded, `concurrency "forking" {}`},
		{reused, own, "concurrency \"forking\" {\n  max_children = 7\n  max_requests = 100\n  spares       = 4\n}"},
	} {
		o := wish("handler", "tcp", c.name)
		o.Base = &c.base
		chosen, _, err := o.choose()
		require.NoError(t, err)
		spec := chosen[0].spec(&c.base, plugin.Definition{})
		require.Equal(t, c.want, describe(spec).Concurrency, c.name)
		require.Zero(t, spec.Server.Limits.PerSource)
		require.Equal(t, 100, spec.Server.Limits.Connections)
		require.Equal(t, spec.Server.Concurrency.Kind == "forking", spec.Server.Concurrency.IsolatedState)
	}
	require.Equal(t, "forking, max_requests = 30, spares = 4", (&Options{Base: &own}).usual()[3], "its own number")
	require.Equal(t, 7, own.Concurrency.MaxChildren)
	require.Equal(t, 3, own.Limits.PerSource)
}

// The servers of the table in Stevens' book have the defaults, which the report leaves out.
func TestStevensConcurrency(t *testing.T) {
	o := wish("handler", "tcp")
	o.Table = "stevens"
	chosen, _, err := o.choose()
	require.NoError(t, err)
	for _, s := range chosen {
		want := fmt.Sprintf("concurrency %q {}", s.concurrency.Kind)
		if s.name == reused {
			want = "concurrency \"forking\" {\n  max_requests = 100\n  spares       = 4\n}"
		}
		require.Equal(t, want, describe(s.spec(o.Base, plugin.Definition{})).Concurrency, s.name)
	}
}

// One of the base's transports is used, and the base stays as it is.
func TestNetwork(t *testing.T) {
	o := options("echo", "tcp")
	o.Base.Transports = []config.Transport{{Network: "tcp"}, {Network: "udp"}}
	for network, want := range map[string]string{"": "tcp", "tcp": "tcp", "udp": "udp"} {
		o.Network = network
		c, err := New(o)
		require.NoError(t, err)
		require.Equal(t, want, c.Network)
		require.Equal(t, []config.Transport{{Network: want}}, c.specs[0].Server.Transports)
		require.Len(t, o.Base.Transports, 2)
	}
	o.Network = "unix"
	_, err := New(o)
	require.EqualError(t, err, `server "echo" has no transport "unix"; it has tcp, udp`)
}
