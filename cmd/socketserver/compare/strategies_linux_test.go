package compare

import (
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
	usual := []string{"synchronous", "threading", "forking", "forking-reuse", "preforking", "plugin-threading", "plugin-forking", "plugin-preforking"}
	peers := []string{"python-threading", "python-forking"}
	for _, c := range []struct {
		options Options
		want    []string
	}{
		{wish("handler", "tcp"), usual},
		{beside(wish("handler", "tcp")), slices.Concat(usual, peers)},
		{wish("handler", "udp"), usual},
		{beside(wish("handler", "udp")), slices.Concat(usual, []string{"python-synchronous"}, peers)},
		{wish("plugin", "tcp"), usual[5:]},
		{beside(wish("plugin", "tcp")), slices.Concat(usual[5:], peers)},
		{wish("plugin", "tcp", "python-threading"), peers[:1]},
		{wish("plugin", "tcp", "threading", "forking-reuse", "plugin-preforking"), []string{"plugin-threading", "plugin-forking-reuse", "plugin-preforking"}},
		{wish("handler", "tcp", "preforking", "forking-spares"), []string{"forking-spares", "preforking"}},
		{wish("handler", "tcp", "threading", "python-synchronous"), []string{"threading", "python-synchronous"}},
		{beside(wish("handler", "tcp", "threading")), slices.Concat([]string{"threading"}, peers)},
		{ofKind(plugin.Python, wish("plugin", "tcp")), slices.Concat(usual[5:], peers)},
		{ofKind(plugin.Python, wish("plugin", "tcp", "forking")), usual[6:7]},
		{ofKind(plugin.Python, wish("plugin", "tcp", "python-forking")), peers[1:]},
		{ofKind(plugin.Stdio, wish("plugin", "tcp")), usual[5:7]},
		{ofKind(plugin.Wasm, wish("plugin", "tcp")), usual[5:]},
	} {
		got, _, err := c.options.choose()
		require.NoError(t, err)
		require.Equal(t, c.want, names(got), c.options)
	}
}

// wish returns options for a kind of handler over a network; no names: the default strategies.
func wish(kind, network string, names ...string) Options {
	return Options{
		Base: &config.Server{Handler: config.Handler{Kind: kind}}, Settings: result.Settings{Network: network}, Strategies: names,
	}
}

// beside returns options with the servers of CPython.
func beside(o Options) Options {
	o.Python = true
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
	require.Equal(t, []string{"plugin-preforking is left out: it cannot run a program that is started for each request; use forking"}, warnings)
}

func TestChooseRefuses(t *testing.T) {
	for want, o := range map[string]Options{
		`there is no strategy "threding"; did you mean "threading"?`:                                     wish("handler", "tcp", "threding"),
		`there is no strategy "fibers"; there are synchronous, threading,`:                               wish("handler", "tcp", "fibers"),
		"forking-spares runs a compiled-in handler, and yours is a plugin; use forking or forking-reuse": wish("plugin", "tcp", "forking-spares"),
		"plugin-preforking cannot run a program that is started for each request; use forking":           ofKind(plugin.Stdio, wish("plugin", "tcp", "preforking")),
		"plugin-forking-reuse has nothing to reuse, as each request has a process of its own":            ofKind(plugin.Python, wish("plugin", "tcp", "forking-reuse")),
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
		{"synchronous", own, "synchronous {}"},
		{"threading", own, "threading {}"},
		{"threading", bounded, "threading { max_threads = 5 }"},
		{"forking", own, "forking { max_children = 7 }"},
		{"forking", bounded, "forking { max_children = 40 }"},
		{"forking-spares", bounded, "forking { max_children = 40, spares = 4 }"},
		{"forking-reuse", own, "forking { max_children = 7, spares = 4, max_requests = 30 }"},
		{"forking-reuse", bounded, "forking { max_children = 40, spares = 4, max_requests = 100 }"},
	} {
		o := wish("handler", "tcp", c.name)
		chosen, _, err := o.choose()
		require.NoError(t, err)
		spec := chosen[0].spec(&c.base, plugin.Definition{})
		require.Equal(t, c.want, describe(spec).Concurrency, c.name)
		require.Zero(t, spec.Server.Limits.PerSource)
		require.Equal(t, 100, spec.Server.Limits.Connections)
		require.Equal(t, spec.Server.Concurrency.Kind == "forking", spec.Server.Concurrency.IsolatedState)
	}
	require.Equal(t, 7, own.Concurrency.MaxChildren)
	require.Equal(t, 3, own.Limits.PerSource)
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
