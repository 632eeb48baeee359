package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// talkative is a plugin that prints what it is sent, and answers it.
func talkative() {
	plugin.Serve(framework.Func(func(rfile *bufio.Reader, wfile io.Writer) error {
		for {
			line, err := rfile.ReadString('\n')
			if err != nil {
				return nil
			}
			fmt.Print("heard ", line)
			fmt.Fprint(os.Stderr, "also ", line)
			if _, err = io.WriteString(wfile, line); err != nil {
				return err
			}
		}
	}))
}

// talking is a configuration with that plugin, which is this program, beside two servers
// that have nothing to do with it.
func talking(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	out, err := exec.Command("cp", self, filepath.Join(dir, "talkative")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return fmt.Sprintf(`
plugins { directory = %q }
server "chatter" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "talkative" {}
}
server "threading" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
server "forking" {
  transport "unix" { address = "forking.socket" }
  concurrency "forking" {}
  handler "echo" {}
}
`, dir)
}

// children are the processes that p has started and not reaped.
func (p *process) children(t *testing.T) []int {
	t.Helper()
	return slices.Sorted(maps.Keys(frameworktest.Children(t, p.Process.Pid)))
}

// A plugin that is killed costs the connections that it had. The next connection is served,
// and other servers do not notice.
func TestKillPlugin(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, talking(t))
	chatter, others := listeners[0], listeners[1:]
	children := p.children(t)
	require.Len(t, children, 1)
	lost := dial(t, chatter)
	require.Equal(t, "hello\n", frameworktest.Ask(t, lost, "hello\n"))
	threading, forking := dial(t, others[0]), dial(t, others[1])
	require.Equal(t, "hello", frameworktest.Ask(t, threading, "hello"))
	require.Equal(t, "hello", frameworktest.Ask(t, forking, "hello"))

	require.NoError(t, syscall.Kill(children[0], syscall.SIGKILL))
	requireEnd(t, lost)
	require.Equal(t, "again\n", askOnce(t, chatter, "again\n"))
	p.await(t, "plugin ended and is started again", event{"server": "chatter"})
	p.await(t, "plugin started again", event{"server": "chatter"})

	require.Equal(t, "still", frameworktest.Ask(t, threading, "still"))
	require.Equal(t, "still", frameworktest.Ask(t, forking, "still"))
	for _, l := range others {
		requireEcho(t, l)
	}
}

// A forked child that is killed costs its own connection.
func TestKillChild(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, limited(`"forking" {}`, ""))
	lost := dial(t, listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, lost, "hello"))
	children := p.children(t)
	require.Len(t, children, 1)
	kept := dial(t, listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, kept, "hello"))

	require.NoError(t, syscall.Kill(children[0], syscall.SIGKILL))
	requireEnd(t, lost)
	require.Equal(t, "still", frameworktest.Ask(t, kept, "still"))
	requireEcho(t, listeners[0])
}

// What a plugin prints is the log's, under the names of both.
func TestPluginPrints(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, talking(t))
	require.Equal(t, "hello\n", askOnce(t, listeners[0], "hello\n"))
	for _, text := range []string{"heard hello", "also hello"} {
		p.await(t, text, event{"server": "chatter", "plugin": "talkative"})
	}
}

// A plugin that cannot be used keeps everything from starting, and the error says of
// which server and what to do.
func TestBadPlugin(t *testing.T) {
	const goMod = "module bad\n\ngo 1.26\n"
	script := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
		}
	}
	for name, c := range map[string]struct {
		put  func(t *testing.T, path string)
		want string
	}{
		"absent": {func(*testing.T, string) {}, `there is none in .*; put a program or a directory with its source there`},
		"broken": {func(t *testing.T, path string) {
			require.NoError(t, os.Mkdir(path, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(path, "go.mod"), []byte(goMod), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(path, "main.go"), []byte("package main\n\nfunc main() { nonsense() }\n"), 0o644))
		}, `it does not build: .*broken/main.go:3:15: undefined: nonsense`},
		"ends":       {script("#!/bin/sh\n# SOCKETSERVER_PLUGIN\necho hello\nexit 3\n"), `exit status 3`},
		"silent":     {script("#!/bin/sh\n# SOCKETSERVER_PLUGIN\nexec sleep 60\n"), `it did not shake hands within 5s; its main must be plugin.Serve`},
		"plain-file": {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o644)) }, `.* is not executable; if it is a program, run: chmod \+x `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.put(t, filepath.Join(dir, name))
			file := write(t, "servers.hcl", fmt.Sprintf(`
plugins { directory = %q }
server "good" {
  transport "unix" { address = "good.socket" }
  concurrency "threading" {}
  handler "echo" {}
}
server "bad" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin %q {}
}
`, dir, name))
			for _, command := range []string{"serve", "validate"} {
				run := exec.Command("socketserver", command, "-c", file)
				out, err := run.CombinedOutput()
				require.Error(t, err)
				require.Equal(t, exitFailed, run.ProcessState.ExitCode())
				var said []string
				for line := range strings.Lines(string(out)) {
					if strings.HasPrefix(line, file) {
						said = append(said, line)
					}
				}
				require.Len(t, said, 1, "%s", out)
				require.Regexp(t, `:11:3: server "bad": plugin "`+name+`": `+c.want, said[0])
				require.NotContains(t, string(out), "listening")
			}
			require.NoFileExists(t, filepath.Join(filepath.Dir(file), "good.socket"))
		})
	}
}
