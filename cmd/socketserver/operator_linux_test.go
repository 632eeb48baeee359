package main

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// What takes the place of a chat server with an operator, another class or another process, has its
// socket: a console that is attached stays with its client, and the next one gets the new server.
func TestOperatorsSocketIsKept(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "operator")
	desk := func(queue int) string {
		return fmt.Sprintf(`
server "desk" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" {
    mode     = "full-duplex"
    operator = %q
    queue    = %d
  }
}
`, socket, queue)
	}
	r := reloadable(t, desk(10))
	for name, replace := range map[string]func(){
		"reload":  func() { require.Contains(t, r.reload(t, desk(20)), "~ desk") },
		"upgrade": func() { r.upgrade(t) },
	} {
		t.Log(name)
		before, client := attach(t, socket, "nobody is connected"), dial(t, r.listeners[0])
		frameworktest.Send(t, client, "first\n")
		expectLine(t, before, "first\n")
		replace()
		after := attach(t, socket, "nobody is connected")
		next := dial(t, r.listeners[0])
		frameworktest.Send(t, next, "second\n")
		expectLine(t, after, "second\n")
		frameworktest.Send(t, before, "to the first\n")
		expectLine(t, client, "to the first\n")
		frameworktest.Send(t, after, "to the second\n")
		expectLine(t, next, "to the second\n")
		require.NoError(t, next.Close())
		expectLine(t, after, " has left\n")
		for _, conn := range []net.Conn{client, before, after} {
			require.NoError(t, conn.Close())
		}
	}
}

// Two servers cannot have one operator's socket.
func TestOperatorsSocketIsOfOneServer(t *testing.T) {
	t.Parallel()
	block := `
server %q {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "chat" {
    mode     = "half-duplex"
    operator = %q
  }
}
`
	socket := filepath.Join(t.TempDir(), "operator")
	file := write(t, "two.hcl", fmt.Sprintf(block+block, "a", socket, "b", socket))
	out, err := exec.Command("socketserver", "serve", "-c", file).CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, socket+` is in use by the server "[ab]"; give each another path`, string(out))
}

// attach connects a console to the operator's socket, which says how many clients wait.
func attach(t *testing.T, socket, state string) net.Conn {
	t.Helper()
	console := dial(t, listener{network: "unix", address: socket})
	expectLine(t, console, state+"\n")
	return console
}

// expectLine reads until text has come.
func expectLine(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	var all []byte
	for b := make([]byte, 1); !strings.HasSuffix(string(all), text); all = append(all, b...) {
		_, err := conn.Read(b)
		require.NoError(t, err, "waiting for %q after %q", text, all)
	}
}
