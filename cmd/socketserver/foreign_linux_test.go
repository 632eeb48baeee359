package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// needProgram skips a test of a program that is not installed, or takes long.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	if often(0, 1) == 0 {
		t.Skip("takes long: set SOCKETSERVER_LONG_TESTS")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("needs " + name)
	}
	return path
}

// foreign serves a program over tcp and unix, with marker in the environment of its processes.
func foreign(t *testing.T, marker string, command ...string) (*process, []listener) {
	t.Helper()
	var words []string
	for _, word := range command {
		words = append(words, strconv.Quote(word))
	}
	return serveFile(t, fmt.Sprintf(`
plugin "foreign" {
  command     = [%s]
  directory   = %q
  environment = { SOCKETSERVER_MARKER = %q }
}
server "foreign" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "unix" { address = %q }
  concurrency "forking" { max_children = 400 }
  plugin "foreign" {}
  limits { per_source = 0 }
  timeouts { idle = "0" } # a loaded machine takes long to start them all
}
`, strings.Join(words, ", "), t.TempDir(), marker, filepath.Join(t.TempDir(), "s")))
}

// Programs that know nothing of this server are served as they are.
func TestForeignPrograms(t *testing.T) {
	site := programs(t, map[string]string{"index.html": "a page\n"})
	for _, c := range []struct {
		command        []string
		input, contain string
	}{
		{[]string{"bc", "-q"}, "2^70\n", "1180591620717411303424\n"},
		{[]string{"sqlite3", ":memory:"}, "create table t(n); insert into t values (6), (7); select sum(n) from t;\n", "13\n"},
		{[]string{"python3", "-i"}, "a = 6\nprint(a * 7)\n", "42\n"},
		{[]string{"busybox", "httpd", "-i", "-h", site}, "GET /index.html HTTP/1.0\r\n\r\n", "\r\n\r\na page\n"},
	} {
		t.Run(c.command[0], func(t *testing.T) {
			c.command[0] = needProgram(t, c.command[0])
			_, listeners := foreign(t, "", c.command...)
			for _, l := range listeners {
				conn := dial(t, l)
				frameworktest.Send(t, conn, c.input)
				require.Contains(t, frameworktest.End(t, conn), c.contain, l.network)
			}
		})
	}
}

// A repository is cloned from git's own daemon, and what comes later is fetched.
func TestForeignGit(t *testing.T) {
	git := needProgram(t, "git")
	base := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		out, err := exec.Command(git, append([]string{"-c", "user.name=x", "-c", "user.email=x@localhost"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	origin := filepath.Join(base, "origin")
	run("init", "-q", origin)
	commit := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(origin, "file"), bytes.Repeat([]byte(text), 1<<20), 0o600))
		run("-C", origin, "add", "file")
		run("-C", origin, "commit", "-qm", text)
	}
	commit("one")
	_, listeners := foreign(t, "", git, "daemon", "--inetd", "--export-all", "--base-path="+base, base)
	proxy := filepath.Join(t.TempDir(), "proxy")
	require.NoError(t, os.WriteFile(proxy, []byte("#!/bin/sh\nexec socketserver connect unix://"+listeners[1].address+"\n"), 0o700))
	for i, source := range [][]string{{"clone", "git://" + listeners[0].address + "/origin"}, {"-c", "core.gitProxy=" + proxy, "clone", "git://localhost/origin"}} {
		clone := filepath.Join(base, fmt.Sprint("clone", i))
		run(append(source, clone)...)
		commit(fmt.Sprint("two", i))
		run(append(source[:len(source)-2], "-C", clone, "fetch", "-q")...)
		head, err := exec.Command(git, "-C", clone, "show", "FETCH_HEAD:file").Output()
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(head, fmt.Append(nil, "two", i)), listeners[i].network)
	}
}

// A session of a protocol of JSON-RPC: what it sends first, and then with a canary, which comes back.
type session struct {
	program string
	args    []string
	open    string
	wants   string                     // of the answer to open
	ask     func(canary string) string // the answer has the canary
}

func framed(text string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text) }

// A hundred clients at once have a process each: none reads what is another one's, and no process stays when
// they or the server have gone.
func TestForeignSessions(t *testing.T) {
	for _, s := range []session{
		{
			program: "gopls",
			open:    framed(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{},"processId":null,"rootUri":null}}`),
			wants:   `"capabilities"`,
			ask: func(canary string) string {
				return framed(`{"jsonrpc":"2.0","method":"initialized","params":{}}`) + framed(fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":%q,"params":{}}`, canary))
			},
		},
		{
			program: "mcp-server-everything", args: []string{"stdio"},
			open:  `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}` + "\n",
			wants: `"serverInfo"`,
			ask: func(canary string) string {
				return `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n" +
					fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":%q}}}`+"\n", canary)
			},
		},
	} {
		t.Run(s.program, func(t *testing.T) {
			command := append([]string{needProgram(t, s.program)}, s.args...)
			marker := t.TempDir()
			p, listeners := foreign(t, marker, command...)
			began := time.Now()
			clients := s.converse(t, listeners, 100)
			t.Logf("%d sessions answered in %s, %d processes", len(clients), time.Since(began), len(marked(marker)))
			for i, c := range clients { // a half leaves, and the other one vanishes
				if tcp, ok := c.(*net.TCPConn); ok && i%4 < 2 {
					require.NoError(t, tcp.SetLinger(0))
				}
				require.NoError(t, c.Close())
			}
			gone := func() bool { return len(marked(marker)) == 0 }
			require.Eventually(t, gone, 2*time.Minute, 50*time.Millisecond, "processes stay when their clients have gone")
			s.converse(t, listeners, 20)
			require.NotEmpty(t, marked(marker))
			require.NoError(t, p.Process.Kill())
			require.Eventually(t, gone, 2*time.Minute, 50*time.Millisecond, "processes stay when the server was killed")
		})
	}
}

// converse opens n sessions, a few at a time, which are all open before the first one asks.
func (s *session) converse(t *testing.T, listeners []listener, n int) []net.Conn {
	t.Helper()
	var opened, done sync.WaitGroup
	clients, errs := make([]net.Conn, n), make([]error, n)
	turn := make(chan struct{}, 4)
	opened.Add(n)
	for i := range clients {
		turn <- struct{}{}
		clients[i] = dial(t, listeners[i%len(listeners)])
		require.NoError(t, clients[i].SetDeadline(time.Now().Add(15*time.Minute)))
		done.Go(func() {
			_, err := sendUntil(clients[i], s.open, s.wants)
			<-turn
			opened.Done()
			opened.Wait()
			answer, canary := "", fmt.Sprintf("canary/%03d", i)
			if err == nil {
				answer, err = sendUntil(clients[i], s.ask(canary), canary)
			}
			if others := strings.Count(answer, "canary/") - strings.Count(answer, canary); err == nil && others > 0 {
				err = fmt.Errorf("session %d has read what is another one's: %s", i, answer)
			}
			errs[i] = err
		})
	}
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return clients
}

// sendUntil sends a text and reads until what came contains another one.
func sendUntil(conn net.Conn, text, until string) (string, error) {
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	var got []byte
	buf := make([]byte, 64<<10)
	for !bytes.Contains(got, []byte(until)) {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			return string(got), fmt.Errorf("%w after %q", err, got)
		}
	}
	return string(got), nil
}

// marked returns the processes that have a marker in their environment.
func marked(marker string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		environment, _ := os.ReadFile(path)
		if bytes.Contains(environment, []byte("SOCKETSERVER_MARKER="+marker+"\x00")) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			if syscall.Kill(pid, 0) == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
