package compare

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
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
		wish wish
		want []string
	}{
		{wish{}, usual},
		{wish{python: true}, slices.Concat(usual, peers)},
		{wish{datagrams: true}, usual},
		{wish{python: true, datagrams: true}, slices.Concat(usual, []string{"python-synchronous"}, peers)},
		{wish{plugin: true}, usual[5:]},
		{wish{plugin: true, python: true}, slices.Concat(usual[5:], peers)},
		{wish{names: []string{"python-threading"}, plugin: true}, peers[:1]},
		{wish{names: []string{"threading", "forking-reuse", "plugin-preforking"}, plugin: true}, []string{"plugin-threading", "plugin-forking-reuse", "plugin-preforking"}},
		{wish{names: []string{"preforking", "forking-spares"}}, []string{"forking-spares", "preforking"}},
		{wish{names: []string{"threading", "python-synchronous"}}, []string{"threading", "python-synchronous"}},
		{wish{names: []string{"threading"}, python: true}, slices.Concat([]string{"threading"}, peers)},
	} {
		got, err := choose(c.wish)
		require.NoError(t, err)
		require.Equal(t, c.want, names(got), c.wish)
	}
}

func TestChooseRefuses(t *testing.T) {
	_, err := choose(wish{names: []string{"threding"}})
	require.EqualError(t, err, `there is no strategy "threding"; did you mean "threading"?`)
	_, err = choose(wish{names: []string{"fibers"}})
	require.ErrorContains(t, err, `there is no strategy "fibers"; there are synchronous, threading,`)
	_, err = choose(wish{names: []string{"forking-spares"}, plugin: true})
	require.EqualError(t, err, "forking-spares runs a compiled-in handler, and yours is a plugin; use forking or forking-reuse")
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
		chosen, err := choose(wish{names: []string{c.name}})
		require.NoError(t, err)
		spec := chosen[0].spec(&c.base, "")
		require.Equal(t, c.want, describe(spec).Concurrency, c.name)
		require.Zero(t, spec.Server.Limits.PerSource)
		require.Equal(t, 100, spec.Server.Limits.Connections)
		require.Equal(t, spec.Server.Concurrency.Kind == "forking", spec.Server.Concurrency.IsolatedState)
	}
	require.Equal(t, 7, own.Concurrency.MaxChildren)
	require.Equal(t, 3, own.Limits.PerSource)
}

func TestNarrow(t *testing.T) {
	server := func() *config.Server {
		return &config.Server{Name: "s", Transports: []config.Transport{{Network: "tcp"}, {Network: "udp"}}}
	}
	for network, want := range map[string]string{"": "tcp", "tcp": "tcp", "udp": "udp"} {
		s := server()
		require.NoError(t, Narrow(s, network))
		require.Equal(t, []config.Transport{{Network: want}}, s.Transports)
	}
	require.EqualError(t, Narrow(server(), "unix"), `server "s" has no transport "unix"; it has tcp, udp`)
}
