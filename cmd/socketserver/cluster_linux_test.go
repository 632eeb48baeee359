package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
	"github.com/go-socketserver/socketserver/internal/text"
)

// startNATS starts a NATS server with a user and password.
func startNATS(t *testing.T, port int) *natsserver.Server {
	t.Helper()
	return natstest.Serve(t, &natsserver.Options{Port: port, Username: "u", Password: "canary"})
}

// What a daemon of the cluster answers that was taken over neither acts on the terminal nor looks like another row.
func TestHostileDaemon(t *testing.T) {
	nats := startNATS(t, 0)
	conn, err := natsgo.Connect(nats.ClientURL(), natsgo.UserInfo("u", "canary"))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	const hostile = `h\u001b]0;owned\u0007\u001b[2J\nFAKE\tROW\u009b31m\u202e`
	long := hostile + strings.Repeat("x", 50_000)
	_, err = conn.Subscribe("$SRV.STATS.>", func(m *natsgo.Msg) {
		_ = m.Respond([]byte(strings.ReplaceAll(`{"metadata": {"machine": "HOSTILE"}, "endpoints": [{"name": "status", "data": {"pid": 1, "config": ["HOSTILE"], "servers": [{
			"name": "HOSTILE", "state": "HOSTILE", "strategy": "HOSTILE", "handler": "HOSTILE", "problem": "HOSTILE", "refused": {"HOSTILE": 1},
			"listeners": [{"network": "HOSTILE", "address": "HOSTILE", "path": "HOSTILE"}], "workers": [{"kind": "HOSTILE"}]}]}}]}`, "HOSTILE", long)))
	})
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	url := strings.Replace(nats.ClientURL(), "://", "://u:canary@", 1)
	r := reloadable(t, fmt.Sprintf("cluster { url = %q }\n%s", url, timestamps(`"threading" {}`, "", "")))
	r.await(t, "cluster joined")
	for _, command := range [][]string{{"status", "--all"}, {"status", "--all", "--json"}, {"top", "--all", "--once", "--interval", "100ms"}} {
		out := r.do(t, command...)
		require.Contains(t, out, "owned")
		require.False(t, strings.ContainsFunc(out, text.Block.Hides), "%q", out)
		if command[len(command)-1] != "--json" {
			require.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 3, out) // the head, the daemon and the hostile one
			require.Contains(t, out, `\nFAKE\tROW`)
			require.Less(t, len(out), 3*10*2*maxCell)
		}
	}
}

// A daemon serves without its cluster, joins it when it can be reached, and shows all daemons then.
func TestCluster(t *testing.T) {
	port := natstest.Port(t)
	configuration := func(user string) string {
		return fmt.Sprintf("cluster { url = \"nats://%s@127.0.0.1:%d\" }\n%s", user, port, timestamps(`"threading" {}`, "", ""))
	}
	first := reloadable(t, configuration("u:canary"))
	warning := first.await(t, "the cluster cannot be reached; servers go on, and the daemon joins when it can")
	require.Equal(t, "NATS does not answer", warning["error"])
	require.Equal(t, "start NATS, or correct cluster.url", warning["next"])
	requireEcho(t, first.listeners[0])
	require.Equal(t, fmt.Sprintf("the cluster at 127.0.0.1:%d cannot be reached now; the log of the daemon has the reason\n", port), first.refuse(t, "status", "--all"))

	startNATS(t, port)
	first.await(t, "cluster joined")
	wrong := reloadable(t, configuration("u:wrong"))
	require.Equal(t, "NATS refuses the credentials", wrong.await(t, "the cluster cannot be reached; servers go on, and the daemon joins when it can")["error"])
	requireEcho(t, wrong.listeners[0])
	second := reloadable(t, configuration("u:canary"))
	require.Regexp(t, `^MACHINE +PID +SERVER +STATE .*\n\S+ +\d+ +s +serving +threading .*\n\S+ +\d+ +s +serving .*\n$`, second.do(t, "status", "--all"))
	var all []machineStatus
	require.NoError(t, json.Unmarshal([]byte(second.do(t, "status", "s", "--all", "--json")), &all))
	require.Len(t, all, 2)
	require.ElementsMatch(t, []int{first.Process.Pid, second.Process.Pid}, []int{all[0].Pid, all[1].Pid})
	require.EqualValues(t, 1, all[0].Servers[0].Accepted+all[1].Servers[0].Accepted)
	require.Regexp(t, `^MACHINE +PID +SERVER +STATE +REQUESTS .*\n\S+ +\d+ +s +serving .*\n\S+ +\d+ +s +serving .*\n\n$`, second.do(t, "top", "--all", "--once", "--interval", "100ms"))
	require.Contains(t, second.refuse(t, "status", "nobody", "--all"), `no daemon of the cluster has a server "nobody"`)

	alone := reloadable(t, timestamps(`"threading" {}`, "", ""))
	require.Contains(t, alone.refuse(t, "status", "--all"), `has no cluster block; add cluster { url = "nats://HOST:4222" }`)
	for _, p := range []*reloader{first, wrong, second} {
		p.mu.Lock()
		require.NotContains(t, fmt.Sprint(p.events), "canary")
		p.mu.Unlock()
	}
}
