package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A typist is a command that a test types to and reads from.
type typist struct {
	*exec.Cmd
	keys   io.WriteCloser
	screen io.ReadCloser
}

func newTypist(t *testing.T, args ...string) *typist {
	t.Helper()
	c := &typist{Cmd: exec.Command("socketserver", args...)}
	var err error
	c.keys, err = c.StdinPipe()
	require.NoError(t, err)
	c.screen, err = c.StdoutPipe()
	require.NoError(t, err)
	return c
}

// The operator of a server, compiled in or a plugin, from another process.
func TestConsole(t *testing.T) {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	_, listeners := serveFile(t, fmt.Sprintf(`
plugins { directory = %q }
server "compiled in" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" { mode = "half-duplex" }
}
server "program" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  plugin "chat" { mode = "half-duplex" }
}
server "elsewhere" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" {
    mode     = "half-duplex"
    operator = %q
  }
}
`, plugins, filepath.Join(t.TempDir(), "operator")))
	require.Equal(t, "program :4", strings.Join(complete(t, "console", "p"), " "))
	for _, l := range listeners {
		name := l.server
		if name == "elsewhere" {
			name = "/nowhere"
			c := newTypist(t, "console", name)
			require.Error(t, c.Run())
			require.Equal(t, exitNoConnect, c.ProcessState.ExitCode())
			continue
		}
		c := newTypist(t, "console", name)
		require.NoError(t, c.Start())
		readUntil(t, c.screen, "nobody is connected\n")
		client := dial(t, l)
		readUntil(t, c.screen, "connected by  ('127.0.0.1', ")
		frameworktest.Send(t, client, "你好")
		readUntil(t, c.screen, "from: 你好\n")
		_, err := io.WriteString(c.keys, "welcome\n")
		require.NoError(t, err)
		require.Equal(t, "welcome", receive(t, client))
		require.NoError(t, c.keys.Close())
		_, err = io.Copy(io.Discard, c.screen)
		require.NoError(t, err)
		require.NoError(t, c.Wait())
	}
	out, err := exec.Command("socketserver", "console", "absent").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `no server "absent" of yours has an operator`)
}

// The operator sits where the server was started. When the input ends the server goes on.
func TestServeConsole(t *testing.T) {
	file := write(t, "servers.hcl", `
server "desk" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" {
    mode     = "full-duplex"
    operator = "operator.socket"
  }
}
`)
	c := newTypist(t, "serve", "-c", file, "--console", "desk")
	p := start(t, t.TempDir(), c.Cmd)
	l := p.awaitListening(t)[0]
	client := dial(t, l)
	readUntil(t, c.screen, "connected by  ('127.0.0.1', ")
	frameworktest.Send(t, client, "hello\n")
	readUntil(t, c.screen, "hello\n")
	_, err := io.WriteString(c.keys, "welcome\n")
	require.NoError(t, err)
	require.Equal(t, "welcome\n", receive(t, client))
	require.NoError(t, c.keys.Close())
	p.await(t, "the console has ended; the server goes on")
	frameworktest.Send(t, client, "still there?\n")
	require.Equal(t, "-- no operator is here; your messages wait for one\n", receive(t, client))
}

func TestServeConsoleErrors(t *testing.T) {
	for name, problem := range map[string]string{
		"dsek": `--console "dsek": there is no such server; there are desk`,
		"desk": `--console: no server "desk" of yours has an operator`,
	} {
		c := exec.Command("socketserver", "serve", "--console", name, "-c", write(t, "servers.hcl", `
server "desk" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" {}
}
`))
		out, err := c.CombinedOutput()
		require.Error(t, err)
		require.Equal(t, exitFailed, c.ProcessState.ExitCode())
		require.Contains(t, string(out), problem)
	}
}
