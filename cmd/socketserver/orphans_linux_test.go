package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

func init() { ownPlugins["leaver"] = leaver }

// leaver is a plugin that has a shell run what it is sent and answers with what that prints.
func leaver() {
	plugin.Serve(framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		script, err := rfile.ReadString('\n')
		if err != nil {
			return nil
		}
		out, theirs, err := os.Pipe()
		if err != nil {
			return err
		}
		shell := exec.Command("sh", "-c", script)
		shell.Stdout = theirs
		if err := shell.Run(); err != nil {
			return err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err == nil {
			_, err = io.WriteString(wfile, line)
		}
		return err
	}))
}

// leaving is a server of that plugin under each strategy that runs plugins in its own way.
func leaving(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	out, err := exec.Command("cp", self, filepath.Join(dir, "leaver")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	text := fmt.Sprintf("plugins { directory = %q }\n", dir)
	for _, strategy := range []string{"threading", "forking", "preforking"} {
		text += fmt.Sprintf("server \"leaver-%s\" {\n transport \"tcp\" { address = \"127.0.0.1:0\" }\n concurrency %q {}\n plugin \"leaver\" {}\n}\n", strategy, strategy)
	}
	return text
}

// runScript has the plugin run a script.
func runScript(t *testing.T, l listener, script string) (printed string) {
	t.Helper()
	conn := dial(t, l)
	frameworktest.Send(t, conn, script+"\n")
	return strings.TrimSpace(readUntil(t, conn, "\n"))
}

// zombies counts the children of a process that have ended and are not reaped.
func zombies(t *testing.T, parent int) (n int) {
	t.Helper()
	for _, state := range frameworktest.Children(t, parent) {
		if state == "Z" {
			n++
		}
	}
	return n
}

// What handlers leave behind is reaped when it ends, below process 1 of a namespace and else.
func TestOrphansAreReaped(t *testing.T) {
	for name, command := range map[string][]string{
		"process 1": {"unshare", "-p", "-f", "--mount-proc", "--kill-child", "socketserver"},
		"subreaper": {"socketserver"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "process 1" && exec.Command("unshare", "-p", "-f", "--mount-proc", "true").Run() != nil {
				t.Skip("needs the right to make a PID namespace")
			}
			args := append(command[1:], "serve", "-c", write(t, "servers.hcl", leaving(t)))
			p := start(t, t.TempDir(), exec.Command(command[0], args...))
			listeners := p.awaitListening(t)
			server := p.Process.Pid
			if name == "process 1" {
				server = p.children(t)[0]
			}
			for _, script := range []string{
				"sleep 0.2 >/dev/null & echo $!", "setsid sleep 0.2 >/dev/null & echo $!",
				"(sleep 0.2 & sleep 0.1 &) >/dev/null; echo twice", "true & echo $!",
			} {
				for _, l := range listeners {
					for range 3 {
						require.NotEmpty(t, runScript(t, l, script))
					}
				}
			}
			require.Eventually(t, func() bool { return zombies(t, server) == 0 }, frameworktest.Patience, 10*time.Millisecond)
			require.NoError(t, syscall.Kill(server, syscall.SIGTERM))
			require.Zero(t, p.exit(t))
		})
	}
}

// What handlers leave behind in sessions of its own ends with the daemon.
func TestOrphansEndWithTheDaemon(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, leaving(t))
	var left []int
	for _, script := range []string{
		"setsid sleep 600 >/dev/null 2>&1 & echo $!",
		"setsid sh -c 'setsid sleep 600 & echo $$; exec >/dev/null; wait' 2>/dev/null &",
		"setsid sh -c 'trap : TERM; echo $$; exec >/dev/null; while :; do sleep 600; done' 2>/dev/null &",
		"(setsid sh -c 'echo $$; exec sleep 600 >/dev/null' 2>/dev/null &)&",
	} {
		for _, l := range listeners {
			pid, err := strconv.Atoi(runScript(t, l, script))
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(pid, 0))
			left = append(left, pid)
		}
	}
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.exit(t))
	for _, pid := range left {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
}

// A process that the daemon found as its child when it began is not its to end.
func TestOlderChildrenStay(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), exec.Command("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $! >&2; exec socketserver serve --listen tcp://127.0.0.1:0 --handler echo"))
	pid, err := strconv.Atoi(p.awaitEvent(t, "a process id", func(event) bool { return true })["@message"].(string))
	require.NoError(t, err)
	p.awaitListening(t)
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.exit(t))
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}
