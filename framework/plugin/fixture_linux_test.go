package plugin_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// settings are those of a plugin that this program is.
func settings(t *testing.T, name string, j *frameworktest.Log) plugin.Settings {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return plugin.Settings{Name: name, Definition: plugin.Definition{Path: self}, Server: "test", Log: j.Logger(), Timeouts: framework.Timeouts{Drain: 2 * time.Second}}
}

// open opens a plugin; the test closes its class.
func open(t *testing.T, s plugin.Settings) *framework.HandlerClass {
	t.Helper()
	class, err := plugin.Open(context.Background(), s)
	require.NoError(t, err)
	return class
}

// serve serves the class of s with a strategy until the test ends, and closes it then.
func serve(t *testing.T, s *framework.BaseServer, strategy framework.Strategy, j *frameworktest.Log) *framework.BaseServer {
	t.Helper()
	s.Name, s.Strategy, s.Log = "test", strategy, j.Logger()
	return frameworktest.Serve(t, s)
}

// serveTCP serves the plugin of that name under threading.
func serveTCP(t *testing.T, name string) (*framework.BaseServer, *frameworktest.Log) {
	t.Helper()
	j := frameworktest.NewLog()
	class := open(t, settings(t, name, j))
	return serve(t, frameworktest.NewServer(t, "tcp", class), &framework.Threading{}, j), j
}

// client is one end of a conversation.
type client struct {
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, s *framework.BaseServer) *client {
	t.Helper()
	return newClient(frameworktest.Dial(t, s))
}

func newClient(conn net.Conn) *client { return &client{conn, bufio.NewReaderSize(conn, 64<<10)} }

// ask sends a command and returns the answer.
func (c *client) ask(t *testing.T, command string) string {
	t.Helper()
	frameworktest.Send(t, c, command+"\n")
	line, err := c.lines.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

// pid asks which process serves the client.
func (c *client) pid(t *testing.T) int {
	t.Helper()
	var pid int
	_, err := fmt.Sscan(c.ask(t, "pid"), &pid)
	require.NoError(t, err)
	return pid
}

// leaveChildren starts processes that outlive the plugin and hold what it prints to: one
// in its group and one in a session of its own.
func leaveChildren() {
	for _, attr := range []*syscall.SysProcAttr{nil, {Setsid: true}} {
		child := exec.Command("sleep", "600")
		child.Stdout, child.Stderr, child.SysProcAttr = os.Stdout, os.Stderr, attr
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("left behind", child.Process.Pid)
	}
}
