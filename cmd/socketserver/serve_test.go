package main

import (
	"fmt"
	"io"
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

// echoes is a configuration with an echo server for each kind of process that requests
// run in.
func echoes(t *testing.T) string {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	return fmt.Sprintf(`
plugins { directory = %q }
server "threading" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
server "synchronous" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "synchronous" {}
  handler "echo" {}
}
server "forking" {
  transport "unix" { address = "forking.socket" }
  concurrency "forking" {}
  handler "echo" {}
}
server "plugin" {
  transport "unix" { address = "plugin.socket" }
  concurrency "threading" {}
  plugin "echo" {}
}
`, plugins)
}

// The first signal lets requests go on to their end.
func TestDrain(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			p, listeners := serveFile(t, echoes(t))
			var conns []net.Conn
			for _, l := range listeners {
				conn := dial(t, l)
				require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
				conns = append(conns, conn)
			}
			p.signal(t, s)
			p.await(t, "stopping; a second signal stops at once")
			for _, conn := range conns {
				require.Equal(t, "still there", frameworktest.Ask(t, conn, "still there"))
				require.NoError(t, conn.Close())
			}
			require.Zero(t, p.exit(t))
			for _, l := range listeners {
				p.await(t, "stopped", event{"server": l.server})
				_, err := net.Dial(l.network, l.address)
				require.Error(t, err)
			}
		})
	}
}

// The drain timeout ends what does not end.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	text := "defaults { \n timeouts { drain = \"100ms\" } \n }\n" + echoes(t)
	p, listeners := serveFile(t, text)
	var conns []net.Conn
	for _, l := range listeners {
		conn := dial(t, l)
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		conns = append(conns, conn)
	}
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.exit(t))
	for i, conn := range conns {
		requireEnd(t, conn)
		p.await(t, "requests were cut off", event{"server": listeners[i].server})
	}
}

// A second signal waits for nobody, and leaves no process behind that holds a connection.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, "defaults { \n timeouts { drain = \"10m\" } \n }\n"+echoes(t))
	var conns []net.Conn
	for _, l := range listeners {
		conn := dial(t, l)
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		conns = append(conns, conn)
	}
	p.signal(t, syscall.SIGTERM)
	p.await(t, "stopping; a second signal stops at once")
	p.signal(t, os.Interrupt)
	require.Equal(t, exitUsage, p.exit(t))
	for _, conn := range conns {
		requireEnd(t, conn)
	}
}

func TestHangup(t *testing.T) {
	t.Parallel()
	p, listeners := serveArgs(t, "--listen", "tcp://127.0.0.1:0", "--handler", "echo")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "reloaded")
	requireEcho(t, listeners[0])
}

// quitters is a configuration of servers that any client can stop.
func quitters(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, `
server %[1]q {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "unix" { address = "%[1]s.socket" }
  concurrency %[1]q {}
  handler "timestamp" {
    framing = "chunk"
    format  = "{data}"
    quit    = "server"
  }
}
`, name)
	}
	return b.String()
}

// A block that a client stops is gone, with all its listeners. The daemon goes on for the
// others, and ends with the last one.
func TestQuitServer(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, quitters("threading", "synchronous", "forking"))
	for len(listeners) > 0 {
		require.Equal(t, "quit", frameworktest.Ask(t, dial(t, listeners[1]), "quit"))
		p.await(t, "stopped", event{"server": listeners[0].server})
		for _, l := range listeners[:2] {
			_, err := net.Dial(l.network, l.address)
			require.Error(t, err)
		}
		listeners = listeners[2:]
		for _, l := range listeners {
			requireEcho(t, l)
		}
	}
	p.await(t, "every server has stopped")
	require.Zero(t, p.exit(t))
}

// A reader of the log that goes away does not end the server.
func TestClosedLog(t *testing.T) {
	t.Parallel()
	c := exec.Command("socketserver", "serve", "-c", write(t, "servers.hcl", quitters("threading", "forking")))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	c.Stdout = write
	p := start(t, t.TempDir(), c)
	listeners := p.awaitListening(t)
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	require.NoError(t, p.stderr.Close())
	require.Equal(t, "quit", frameworktest.Ask(t, dial(t, listeners[0]), "quit")) // is logged
	requireEcho(t, listeners[2])
	require.Equal(t, "quit", frameworktest.Ask(t, dial(t, listeners[2]), "quit"))
	require.Zero(t, p.exit(t))
}

// A server of the command line, over every transport.
func TestFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, listeners := serveArgs(t,
		"--listen", "tcp://localhost:0", "--listen", "udp://localhost:0",
		"--listen", "unix://"+dir+"/stream", "--listen", "unixgram://"+dir+"/datagram",
		"--concurrency", "synchronous", "--handler", "timestamp", "--set", "framing=chunk", "--set", "format=<{data}>")
	require.Len(t, listeners, 2+2*families())
	for _, l := range listeners {
		require.Equal(t, "timestamp", l.server)
		require.Equal(t, "<hello>", askOnce(t, l, "hello"))
	}
	p.signal(t, os.Interrupt)
	require.Zero(t, p.exit(t))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFlagsPlugin(t *testing.T) {
	t.Parallel()
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	_, listeners := serveArgs(t, "--listen", "tcp://127.0.0.1:0", "--plugins", plugins, "--plugin", "shout")
	require.Equal(t, "HELLO\n", frameworktest.Ask(t, dial(t, listeners[0]), "hello\n"))
}

// What clients send is one line of the log, whatever is in it.
func TestTextLog(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), exec.Command("socketserver", "serve", "--log-format", "text", "--log-level", "info",
		"--listen", "unixgram://sink", "--handler", "sink"))
	p.awaitText(t, "ready: servers=1 listeners=1")
	conn := dial(t, listener{"sink", "unixgram", filepath.Join(p.Dir, "sink")})
	frameworktest.Send(t, conn, "one\ntwo\x1b[31m\u202e")
	line := p.awaitText(t, "received")
	require.Contains(t, line, `data="one\ntwo\x1b[31m\u202e" length=15`)
}

// Colours are for a terminal whose user wants them.
func TestColour(t *testing.T) {
	t.Parallel()
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("there is no script(1), which makes a terminal")
	}
	for _, noColor := range []string{"", "1"} {
		c := exec.Command(script, "-qec", "socketserver serve --listen unix://s --handler timestamp --set quit=server", "/dev/null")
		c.Dir = t.TempDir()
		c.Env = append(os.Environ(), "NO_COLOR="+noColor, "TERM=xterm")
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		input, err := c.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		t.Cleanup(func() { _ = c.Process.Signal(syscall.SIGTERM) }) // passed on; for a test that fails
		text := readUntil(t, out, "ready")
		require.Contains(t, text, "listening: ")
		require.Equal(t, noColor == "", strings.Contains(text, "\x1b["), "%q", text)
		frameworktest.Ask(t, dial(t, listener{"timestamp", "unix", filepath.Join(c.Dir, "s")}), "quit\n")
		rest, err := io.ReadAll(out)
		require.NoError(t, err)
		require.NoError(t, input.Close())
		require.NoError(t, c.Wait(), "%s", rest)
	}
}
