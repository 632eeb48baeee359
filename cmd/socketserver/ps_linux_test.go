package main

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// The list has the requests under way with the process that runs them, and kill ends one of them.
func TestRequestsAreListedAndKilled(t *testing.T) {
	for _, strategy := range everyStrategy {
		t.Run(strategy, func(t *testing.T) {
			r := reloadable(t, timestamps(strategy, "", ""))
			one, other := dial(t, r.listeners[0]), dial(t, r.listeners[0])
			require.Equal(t, "hello", frameworktest.Ask(t, one, "hello"))
			require.Equal(t, "hello", frameworktest.Ask(t, other, "hello"))
			var answer requestsAnswer
			r.awaitActive(t, 2)
			require.NoError(t, json.Unmarshal([]byte(r.do(t, "ps", "s", "--json")), &answer))
			require.Len(t, answer.Requests, 2)
			first := answer.Requests[0]
			if first.Client != one.LocalAddr().String() {
				first = answer.Requests[1]
			}
			require.Equal(t, one.LocalAddr().String(), first.Client)
			require.Equal(t, "s", first.Server)
			status := r.status(t, "s").Servers[0]
			require.Equal(t, 2, status.Active)
			require.EqualValues(t, 2, status.Accepted)
			require.Zero(t, status.Waiting)
			if len(status.Workers) == 0 {
				require.Equal(t, r.Process.Pid, first.Pid)
			} else {
				var pids []int
				for _, w := range status.Workers {
					pids = append(pids, w.Pid)
					require.NotZero(t, w.Since)
				}
				require.Contains(t, pids, first.Pid)
			}
			require.Regexp(t, fmt.Sprintf(`(?m)^%d +s +tcp +%s +%d +\d+s$`, first.ID, first.Client, first.Pid), r.do(t, "ps"))
			if strategy == everyStrategy[2] {
				require.Equal(t, fmt.Sprintf("request %d cannot be killed alone, as process %d may have others; to end them all: kill -KILL %d\n", first.ID, first.Pid, first.Pid), r.refuse(t, "kill", fmt.Sprint(first.ID)))
				return
			}
			r.do(t, "kill", fmt.Sprint(first.ID))
			requireEnd(t, one)
			require.Equal(t, "hello", frameworktest.Ask(t, other, "hello"))
			require.Contains(t, r.refuse(t, "kill", "999999"), "there is no request 999999 under way")
			require.NoError(t, other.Close())
			r.do(t, "drain", "s")
			require.Equal(t, "ID  SERVER  NETWORK  CLIENT  PID  AGE\n", r.do(t, "ps"))
		})
	}
}

// A handler that does not end although its request has timed out is seen in the log, in the status
// and among the requests.
func TestOverdueRequestIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, 1)
	r := reloadable(t, withVersioned(dir, `"threading" {}`, "", "defaults {\n  timeouts { request = \"50ms\" }\n}"))
	require.Zero(t, r.status(t).Servers[0].Overdue)
	frameworktest.Send(t, dial(t, r.listeners[0]), "never end")
	line := r.awaitEvent(t, "a handler that does not end", func(e event) bool { return e["stack"] != nil || e["stacktrace"] != nil })
	require.Contains(t, fmt.Sprint(line), "versionedHandler")
	require.Equal(t, 1, r.status(t).Servers[0].Overdue)
	require.Contains(t, r.do(t, "status"), "\nversioned: 1 of its requests still running after timeouts.request; the log has the stacks, and socketserver ps versioned the processes\n")
	require.Regexp(t, `\d+s, overdue\n$`, r.do(t, "ps"))
	require.NoError(t, r.Process.Kill())
}

// A plugin that has failed too often is started again at once by a reset.
func TestPluginIsReset(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, 1)
	r := reloadable(t, withVersioned(dir, `"threading" {}`, "", ""))
	require.Contains(t, r.refuse(t, "plugin", "reset", "versioned"), `plugin "versioned" runs`)
	require.Contains(t, r.refuse(t, "plugin", "reset", "other"), `no server has a plugin "other"`)
	const failures = 5
	for n := range failures {
		plugin := r.status(t).Servers[0].Plugin
		require.NotNil(t, plugin)
		require.NotZero(t, plugin.Since)
		require.NoError(t, syscall.Kill(plugin.Pid, syscall.SIGKILL))
		r.await(t, "plugin ended and is started again")
		if n < failures-1 {
			r.await(t, "plugin started again")
		}
	}
	requireEnd(t, dial(t, r.listeners[0]))
	require.Nil(t, r.status(t).Servers[0].Plugin)
	const labels = `{plugin="versioned",server="versioned"}`
	down := scrape(t, overSocket(r.socket), "x")
	require.Zero(t, down["socketserver_plugin_up"+labels])
	require.Contains(t, down, "socketserver_plugin_up"+labels)
	require.EqualValues(t, failures-1, down["socketserver_plugin_restarts_total"+labels])
	require.Contains(t, r.refuse(t, "status", "--ready"), `versioned: plugin "versioned" is not available: it ended 5 times`)
	require.Contains(t, r.do(t, "status"), "\nversioned: plugin \"versioned\" is not available")
	r.do(t, "plugin", "reset", "versioned")
	require.Equal(t, "1hello", askOnce(t, r.listeners[0], "hello"))
	r.do(t, "status", "--ready")
	up := scrape(t, overSocket(r.socket), "x")
	require.EqualValues(t, 1, up["socketserver_plugin_up"+labels])
	require.EqualValues(t, failures, up["socketserver_plugin_restarts_total"+labels])
}

// A log level holds at once.
func TestLogLevel(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	require.Equal(t, "info -> debug\n", r.do(t, "log-level", "debug"))
	require.Equal(t, "debug -> warn\n", r.do(t, "log-level", "warn"))
	require.Contains(t, r.refuse(t, "log-level", "loud"), `there is no log level "loud"`)
	require.Contains(t, r.refuse(t, "log-level", "debug", "nobody"), `there is no server "nobody"`)

	require.Equal(t, "warn -> debug\n", r.do(t, "log-level", "debug", "s"))
	require.Equal(t, "debug -> error\n", r.do(t, "log-level", "error", "s"))
	require.Equal(t, "warn -> info\n", r.do(t, "log-level", "info"), "the other one's did not change")
	require.Equal(t, "info -> info\n", r.do(t, "log-level", "info", "s"), "all of the log is the server's, too")
}

// The shell completes the names of servers that the daemon has.
func TestServersOfTheDaemonAreCompleted(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	require.Equal(t, []string{"s", ":4"}, complete(t, "suspend", "--admin", r.socket, ""))
	require.Equal(t, []string{"s", ":4"}, complete(t, "log-level", "--admin", r.socket, "debug", ""))
	require.Equal(t, []string{":4"}, complete(t, "suspend", "--admin", r.socket, "s", ""))
	require.Equal(t, []string{":4"}, complete(t, "suspend", "--admin", "/nowhere", ""))
}

// Where clients come from: who was refused, and who is served.
func TestSources(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", `
  limits {
    per_source = 1
    when_full  = "refuse"
  }`))
	conn := dial(t, r.listeners[0])
	require.NotEmpty(t, frameworktest.Ask(t, conn, "hello"))
	requireEnd(t, dial(t, r.listeners[0]))
	require.Regexp(t, `^SERVER +SOURCE +REQUESTS +REFUSED +LAST REFUSED\ns +127\.0\.0\.1 +1 +per_source 1 +\d+s ago\n$`, r.do(t, "status", "--sources"))
	require.Contains(t, r.do(t, "status", "s", "--sources", "--json"), `"per_source": 1`)
	require.Contains(t, r.refuse(t, "status", "nobody", "--sources"), `there is no server "nobody"`)
}
