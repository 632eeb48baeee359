package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/admin"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// do runs a command that is to succeed, and returns what it prints.
func (r *reloader) do(t *testing.T, args ...string) string {
	t.Helper()
	out, problems, err := r.command(args...)
	require.NoError(t, err, problems)
	return out
}

// refuse runs a command that is to fail, and returns why.
func (r *reloader) refuse(t *testing.T, args ...string) string {
	t.Helper()
	out, problems, err := r.command(args...)
	require.Equal(t, exitFailed, exitCode(err), out+problems)
	return problems
}

func (r *reloader) status(t *testing.T, args ...string) (answer statusAnswer) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.do(t, append([]string{"status", "--json"}, args...)...)), &answer))
	return answer
}

// awaitActive waits until the server has so many requests under way: what workers of preforking report is read
// every 20 ms.
func (r *reloader) awaitActive(t *testing.T, requests int) {
	t.Helper()
	require.Eventually(t, func() bool { return r.status(t).Servers[0].Active == requests }, frameworktest.Patience, time.Millisecond)
}

var everyStrategy = []string{`"threading" {}`, `"forking" {}`, `"preforking" { workers = 2 }`}

// More drains than the admin socket has places do not shut it.
func TestDrainsLeaveTheAdminSocketToOthers(t *testing.T) {
	t.Parallel()
	const drains = 17
	r := reloadable(t, timestamps(`"threading" {}`, "0", ""))
	conn := dial(t, r.listeners[0])
	require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
	var draining sync.WaitGroup
	for range drains {
		draining.Go(func() {
			assert.NoError(t, admin.Do(t.Context(), r.socket, http.MethodPost, "/v1/servers/s/drain", nil, nil))
		})
	}
	for range drains {
		r.await(t, "admin request", event{"request": "POST /v1/servers/s/drain"})
	}
	require.Equal(t, "s is serving, 1 request under way\n", r.do(t, "resume", "s"))
	require.NoError(t, conn.Close())
	draining.Wait()
}

// A suspended server refuses clients, and serves again on the same port; its conversations go on,
// also where a reload replaces it meanwhile.
func TestSuspendedServer(t *testing.T) {
	for _, strategy := range everyStrategy[3-often(2, 3):] {
		t.Run(strategy, func(t *testing.T) {
			r := reloadable(t, timestamps(strategy, "0", ""))
			l := r.listeners[0]
			conn := dial(t, l)
			require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
			r.awaitActive(t, 1)
			require.Equal(t, "s is suspended, 1 request under way\n", r.do(t, "suspend", "s"))
			requireRefused(t, l)
			require.Equal(t, "s is suspended\n", r.refuse(t, "status", "--ready"))
			r.reload(t, timestamps(strategy, "1", ""))
			requireRefused(t, l)
			require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
			require.Equal(t, "1 request still under way\n", r.refuse(t, "drain", "s", "--wait", "1ms"))
			require.NoError(t, conn.Close())
			require.Equal(t, "s is suspended, 0 requests under way\n", r.do(t, "drain", "s"))
			require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "resume", "s"))
			require.Equal(t, "1hello", askOnce(t, l, "hello"))
			require.Empty(t, r.do(t, "status", "--ready"))
			e, _ := r.take(func(e event) bool { return e["@level"] == "error" })
			require.Nil(t, e)
			asked := r.await(t, "admin request", event{"request": "POST /v1/servers/s/suspend"})
			require.EqualValues(t, os.Getuid(), asked["uid"])
			require.NotZero(t, asked["pid"])
		})
	}
}

func requireRefused(t *testing.T, l listener) {
	t.Helper()
	_, err := net.Dial(l.network, l.address)
	require.Error(t, err)
}

// A server that the operator has stopped can be started again, also the only one.
func TestStoppedServerIsStartedAgain(t *testing.T) {
	for _, strategy := range everyStrategy[:often(1, 3)] {
		t.Run(strategy, func(t *testing.T) {
			r := reloadable(t, strings.Replace(timestamps(strategy, "", ""), "127.0.0.1:0", frameworktest.Address(t, "tcp"), 1))
			l := r.listeners[0]
			require.Equal(t, "hello", askOnce(t, l, "hello"))
			require.Equal(t, "s is stopped, 0 requests under way\n", r.do(t, "stop", "s"))
			requireRefused(t, l)
			require.Equal(t, "server \"s\" is stopped\n", r.refuse(t, "stop", "s"))
			require.Equal(t, "server \"s\" is stopped\n", r.refuse(t, "suspend", "s"))
			require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "start", "s"))
			require.Equal(t, "hello", askOnce(t, l, "hello"))
			require.Equal(t, "server \"s\" is serving\n", r.refuse(t, "start", "s"))
			require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "restart", "s"))
			require.Equal(t, "hello", askOnce(t, l, "hello"))
			require.Equal(t, "there is no server \"x\"; did you mean \"s\"?\n", r.refuse(t, "restart", "x"))
			r.do(t, "stop", "s")
			require.Empty(t, r.do(t, "stop"))
			require.Zero(t, r.exit(t))
		})
	}
}
