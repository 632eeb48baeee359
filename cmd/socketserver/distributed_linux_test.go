package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// startWorker starts a worker of a configuration, and waits until it serves.
func startWorker(t *testing.T, file string) *process {
	t.Helper()
	p := start(t, t.TempDir(), exec.Command("socketserver", "worker", "-c", file, "--listen", "127.0.0.1:0"))
	p.await(t, "cluster joined")
	require.Equal(t, "distributed", p.awaitListening(t)[0].network)
	return p
}

// Requests run in the workers of the cluster. Those of a worker that is killed are lost and their clients are reset, which
// is all that the others notice; NATS that goes is noticed by nobody.
func TestDistributed(t *testing.T) {
	nats := startNATS(t, -1)
	port := nats.Addr().(*net.TCPAddr).Port
	cat := write(t, "cat.sh", "#!/bin/sh\nexec cat\n")
	require.NoError(t, os.Chmod(cat, 0o700))
	r := reloadable(t, fmt.Sprintf(`cluster { url = "nats://u:canary@127.0.0.1:%d" }
plugin "cat" { path = %q }
server "echo" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "distributed" { max_requests_per_worker = 3 }
  limits { banner = "try again\n" }
  handler "echo" {}
}
server "cat" {
  transport "unix" { address = "cat.sock" }
  concurrency "distributed" {}
  plugin "cat" {}
}
server "local" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
`, port, cat))
	r.await(t, "cluster joined")
	l := r.listeners[0]
	require.Equal(t, "try again\n", frameworktest.Ask(t, dial(t, l), "hello"))
	require.Contains(t, r.await(t, "request failed")["error"], `no worker serves "echo"; start socketserver worker`)

	workers := []*process{startWorker(t, r.file), startWorker(t, r.file)}
	for range workers {
		r.await(t, "worker is known")
	}
	open := func(n int) (all []net.Conn) {
		for range n {
			conn := dial(t, l)
			require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
			all = append(all, conn)
		}
		return all
	}
	conversations := open(6)
	var all []machineStatus
	require.NoError(t, json.Unmarshal([]byte(r.do(t, "status", "--all", "--json")), &all))
	active := map[int]int{}
	for _, a := range all {
		active[a.Pid] = a.Servers[0].Active
	}
	require.Equal(t, map[int]int{r.Process.Pid: 6, workers[0].Process.Pid: 3, workers[1].Process.Pid: 3}, active)

	program := dial(t, r.listeners[1])
	require.Equal(t, "hello", frameworktest.Ask(t, program, "hello"))
	require.Empty(t, frameworktest.End(t, program))

	require.NoError(t, workers[0].Process.Kill())
	var left []net.Conn
	for _, conn := range conversations {
		_, failed := conn.Write([]byte("still here"))
		answer := make([]byte, 10)
		if _, err := conn.Read(answer); errors.Is(errors.Join(failed, err), syscall.ECONNRESET) {
			continue
		}
		require.Equal(t, "still here", string(answer))
		left = append(left, conn)
	}
	require.Len(t, left, 3)
	for range 3 {
		require.Contains(t, r.await(t, "request failed")["error"], "the worker process has gone: ")
	}
	waiting := dial(t, l)
	frameworktest.Send(t, waiting, "hello")
	require.NoError(t, left[0].Close())
	require.Equal(t, "hello", receive(t, waiting))

	nats.Shutdown()
	nats.WaitForShutdown()
	r.await(t, "the cluster is lost; servers go on, and the daemon joins again when it is back")
	require.NoError(t, waiting.Close())
	left = append(left[1:], open(1)...) // served by the worker that is known
	startNATS(t, port)
	r.await(t, "cluster joined")
	startWorker(t, r.file)
	for _, conn := range append(left, open(3)...) {
		require.Equal(t, "end", frameworktest.Ask(t, conn, "end"))
		require.Empty(t, frameworktest.End(t, conn))
	}
	said, err := says("socketserver", "worker", "-c", write(t, "servers.hcl", timestamps(`"threading" {}`, "", "")))
	require.Error(t, err)
	require.Contains(t, said, `no server has concurrency "distributed", so that there is nothing for a worker to do`)
}

// However often workers are killed, no request starts twice, and one that was answered has started.
func TestDistributedStartsOnce(t *testing.T) {
	rounds := often(0, 20)
	if rounds == 0 {
		t.Skip("SOCKETSERVER_LONG_TESTS is not set")
	}
	for _, via := range []string{"tcp", "bus"} {
		t.Run(via, func(t *testing.T) { startsOnce(t, via, rounds) })
	}
}

func startsOnce(t *testing.T, via string, rounds int) {
	nats := startNATS(t, -1)
	started := filepath.Join(t.TempDir(), "started")
	program := write(t, "once.sh", "#!/bin/sh\nread id\necho $id >>"+started+"\necho $id\n")
	require.NoError(t, os.Chmod(program, 0o700))
	r := reloadable(t, fmt.Sprintf(`cluster { url = "nats://u:canary@%s" }
plugin "once" { path = %q }
server "once" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "distributed" { via = %q }
  limits { per_source = 0 }
  plugin "once" {}
}
`, nats.Addr(), program, via))
	killed := startWorker(t, r.file)
	r.await(t, "worker is known")
	var answered []string
	for round := range rounds {
		other := startWorker(t, r.file)
		r.await(t, "worker is known")
		var mu sync.Mutex
		var clients sync.WaitGroup
		for n := range 40 {
			clients.Go(func() {
				id := fmt.Sprintf("%d.%d", round, n)
				conn := dial(t, r.listeners[0])
				_, _ = fmt.Fprintln(conn, id)
				answer, err := bufio.NewReader(conn).ReadString('\n')
				if err != nil {
					return // it is lost, or was not served
				}
				mu.Lock()
				defer mu.Unlock()
				answered = append(answered, strings.TrimSpace(answer))
				if len(answered)%40 == 10 { // in the middle of the round
					_ = killed.Process.Kill()
				}
			})
		}
		clients.Wait()
		_ = killed.Process.Kill()
		killed = other
	}
	text, err := os.ReadFile(started)
	require.NoError(t, err)
	times := map[string]int{}
	for _, id := range strings.Fields(string(text)) {
		times[id]++
		require.Equal(t, 1, times[id], "request %s has started again", id)
	}
	for _, id := range answered {
		require.Equal(t, 1, times[id], "request %s was answered", id)
	}
	t.Logf("%d of %d requests were answered, %d started", len(answered), 40*rounds, len(times))
	require.Greater(t, len(answered), 20*rounds)
}
