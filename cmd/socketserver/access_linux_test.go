package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// An access is a line of the access log.
type access struct {
	Server, Network, Client, Local, Outcome string
	Pid, In, Out                            int64
	Duration                                int64 `json:"duration_us"`
	Wait                                    int64 `json:"wait_us"`
}

func accesses(t *testing.T, paths ...string) (all []access) {
	t.Helper()
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			var a access
			require.NoError(t, json.Unmarshal([]byte(line), &a), line)
			all = append(all, a)
		}
	}
	return all
}

// Every request has its line under every strategy, with the bytes that its client has counted,
// while the file is rotated; and so have those of processes that are killed.
func TestAccessLogHasEveryRequest(t *testing.T) {
	for strategy, body := range map[string]string{"synchronous": "", "threading": "", "forking": "max_children = 8\nmax_requests = 1000", "preforking": ""} {
		t.Run(strategy, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "access.log")
			r := reloadable(t, fmt.Sprintf("log { access = %q }\n", path)+timestamps(fmt.Sprintf("%q {\n%s\n}", strategy, body), "", "limits { per_source = 0 }"))
			clients, each := 4, often(50, 250)
			var sent, received atomic.Int64
			var all sync.WaitGroup
			for n := range clients {
				all.Go(func() {
					for i := range each {
						text := strings.Repeat("x", 1+(n*each+i)%100)
						conn := frameworktest.DialAddress(t, r.listeners[0].network, r.listeners[0].address)
						answer := frameworktest.Ask(t, conn, text)
						_ = conn.Close()
						sent.Add(int64(len(text)))
						received.Add(int64(len(answer)))
					}
				})
			}
			rotated := path + ".1"
			require.NoError(t, os.Rename(path, rotated))
			r.signal(t, syscall.SIGUSR1)
			r.await(t, "access log reopened")
			all.Wait()

			want := clients * each
			killed := 0
			if strategy == "forking" || strategy == "preforking" {
				held := dial(t, r.listeners[0])
				frameworktest.Ask(t, held, "hello")
				want, killed = want+1, 1
				for _, pid := range r.workers(t) {
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				}
				_, _ = io.Copy(io.Discard, held)
			}
			r.signal(t, syscall.SIGTERM)
			require.Zero(t, r.exit(t))

			var in, out int64
			outcomes := map[string]int{}
			lines := accesses(t, path, rotated)
			for _, a := range lines {
				require.Equal(t, "s", a.Server)
				require.Equal(t, "tcp", a.Network)
				require.Equal(t, r.listeners[0].address, a.Local)
				require.Contains(t, a.Client, "127.0.0.1:")
				require.Equal(t, killed > 0, a.Pid > 0)
				require.LessOrEqual(t, a.Wait, a.Duration)
				in, out = in+a.In, out+a.Out
				outcomes[a.Outcome]++
			}
			require.Len(t, lines, want)
			require.Equal(t, killed, outcomes["killed"])
			require.Equal(t, want-killed, outcomes["ok"], outcomes)
			require.Equal(t, sent.Load(), in)
			require.Equal(t, received.Load(), out)
		})
	}
}

// workers returns the processes of all servers.
func (r *reloader) workers(t *testing.T) (pids []int) {
	t.Helper()
	out, problems, err := r.command("status", "--json")
	require.NoError(t, err, problems)
	var status statusAnswer
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	for _, s := range status.Servers {
		for _, w := range s.Workers {
			pids = append(pids, w.Pid)
		}
	}
	require.NotEmpty(t, pids)
	return pids
}

// A server can be left out, also while it serves; what a stop cuts off has a line, too.
func TestAccessLogOfOneServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	block := fmt.Sprintf("log { access = %q }\n", path)
	r := reloadable(t, block+timestamps(`"threading" {}`, "", "access_log = false"))
	askOnce(t, r.listeners[0], "hello")
	held := dial(t, r.listeners[0])
	frameworktest.Ask(t, held, "hello")
	require.Contains(t, r.reload(t, block+timestamps(`"threading" {}`, "", "timeouts { drain = \"1ms\" }")), "access_log false -> true")
	r.signal(t, syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, held)
	r.exit(t)
	lines := accesses(t, path)
	require.Len(t, lines, 1)
	require.Equal(t, "cut", lines[0].Outcome)
	require.EqualValues(t, len("hello"), lines[0].In)
}

// A log that nobody reads costs the clients nothing, and without one the signal does nothing.
func TestAccessLogOnAPipeThatIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	r := reloadable(t, fmt.Sprintf("log { access = %q }\n", path)+timestamps(`"threading" {}`, "", ""))
	for range 1000 {
		askOnce(t, r.listeners[0], "hello")
	}
	r.signal(t, syscall.SIGTERM)
	require.Zero(t, r.exit(t))
}

func TestSignalToReopenWithoutALog(t *testing.T) {
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	r.signal(t, syscall.SIGUSR1)
	require.Contains(t, askOnce(t, r.listeners[0], "hello"), "hello")
}
