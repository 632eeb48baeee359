package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// At a terminal what the operator types and what comes in do not mix, the server is stopped
// with ^C and the terminal is as it was.
func TestServeConsoleTerminal(t *testing.T) {
	file := write(t, "servers.hcl", `
server "desk" {
  transport "unix" { address = "desk.socket" }
  concurrency "threading" {}
  handler "chat" {
    mode     = "half-duplex"
    operator = "operator.socket"
  }
}
`)
	for _, end := range []string{"^C", "SIGTERM", "^D"} {
		c := exec.Command("socketserver", "serve", "-c", file, "--console", "desk", "--log-level", "error")
		term := newWindow(t, c, 90, 12)
		attached := "-- you are the operator of desk, half-duplex; an empty line hangs up; nobody is connected"
		term.Await(4, attached, "to:")
		client, err := net.Dial("unix", filepath.Join(filepath.Dir(file), "desk.socket"))
		require.NoError(t, err)
		term.Await(4, attached, "connected by  ''", "to:")
		term.Type("你好")
		term.Await(8, attached, "connected by  ''", "to: 你好")
		frameworktest.Send(t, client, "hello\x1b[2J")
		term.Await(8, attached, "connected by  ''", `from: hello\u001b[2J`, "to: 你好")
		term.Type("\r")
		require.Equal(t, "你好", receive(t, client))
		screen := []string{attached, "connected by  ''", `from: hello\u001b[2J`, "to: 你好"}
		term.Await(4, append(screen, "to:")...)
		switch end {
		case "^C":
			term.Type("\x03")
		case "SIGTERM":
			require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		case "^D":
			term.Type("\x04")
			term.Await(0, append(screen, "")...)
			require.NoError(t, c.Process.Signal(syscall.SIGINT))
		}
		require.Zero(t, term.Exit())
		requireEnd(t, client)
		require.NoError(t, client.Close())
	}
}

// The operator is told that the server has stopped, and that there are others.
func TestConsoleServerStops(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	p, _ := serveFile(t, `
server "half-duplex" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" { mode = "half-duplex" }
}
`)
	for args, want := range map[string]string{
		"":            "socketserver: console needs NAME; write: socketserver console NAME; there are half-duplex\nTry 'socketserver console --help'.\n",
		"half-duplx":  `there are half-duplex, or give the path in its option operator; did you mean "half-duplex"?`,
		"full-duplex": `no server "full-duplex" of yours has an operator; there are half-duplex`,
	} {
		out, err := exec.Command("socketserver", append([]string{"console"}, strings.Fields(args)...)...).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), want)
	}
	term := newWindow(t, exec.Command("socketserver", "console", "half-duplex"), 120, 12)
	attached := "-- you are the operator of half-duplex, half-duplex; an empty line hangs up; nobody is connected"
	term.Await(4, attached, "to:")
	p.signal(t, os.Interrupt)
	require.Equal(t, exitClosed, term.Exit())
	term.Await(0, attached, "socketserver: the server half-duplex has stopped, or ended this console; once it runs again: socketserver console half-d", "uplex", "")
	out, err := exec.Command("socketserver", "console").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "; no server of yours has an operator now\n")
}
