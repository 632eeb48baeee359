package plugin_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/plugin"
)

// wait is how long a test waits for what must happen.
const wait = 30 * time.Second

// journal is a log whose lines a test can wait for.
type journal struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(p)
	close(j.changed)
	j.changed = make(chan struct{})
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Debug, DisableTime: true})
}

// await waits until text has been logged n times.
func (j *journal) await(t *testing.T, n int, text string) {
	t.Helper()
	late := time.After(wait)
	for {
		j.mu.Lock()
		count, changed := strings.Count(j.text.String(), text), j.changed
		j.mu.Unlock()
		if count >= n {
			return
		}
		select {
		case <-changed:
		case <-late:
			require.FailNow(t, "not logged", "%q in\n%s", text, j)
		}
	}
}

// settings are those of a plugin that this program is.
func settings(t *testing.T, name string, j *journal) plugin.Settings {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return plugin.Settings{Name: name, Path: self, Server: "test", Log: j.logger(), Timeouts: framework.Timeouts{Drain: 2 * time.Second}}
}

// open opens a plugin; the test closes its class.
func open(t *testing.T, s plugin.Settings) *framework.HandlerClass {
	t.Helper()
	class, err := plugin.Open(context.Background(), s)
	require.NoError(t, err)
	return class
}

// newServer makes a server of each transport on a free address.
var newServer = map[string]func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer{
	"tcp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewTCPServer("127.0.0.1:0", class).BaseServer
	},
	"udp": func(_ *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUDPServer("127.0.0.1:0", class).BaseServer
	},
	"unix": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixStreamServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
	"unixgram": func(t *testing.T, class *framework.HandlerClass) *framework.BaseServer {
		return &framework.NewUnixDatagramServer(filepath.Join(t.TempDir(), "s"), class).BaseServer
	},
}

// serve serves class with a strategy until the test ends, and closes it then.
func serve(t *testing.T, s *framework.BaseServer, strategy framework.Strategy, j *journal) *framework.BaseServer {
	t.Helper()
	s.Name, s.Strategy, s.Log = "test", strategy, j.logger()
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.ServeForever() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.ErrorIs(t, <-served, framework.ErrServerClosed)
	})
	return s
}

// serveTCP serves the plugin of that name under threading.
func serveTCP(t *testing.T, name string) (*framework.BaseServer, *journal) {
	t.Helper()
	j := newJournal()
	class := open(t, settings(t, name, j))
	return serve(t, newServer["tcp"](t, class), &framework.Threading{}, j), j
}

// client is one end of a conversation.
type client struct {
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, s *framework.BaseServer) *client {
	t.Helper()
	var conn net.Conn
	var err error
	if s.Transport.Network() == "unixgram" { // the server answers to the client's own path
		conn, err = net.DialUnix("unixgram",
			&net.UnixAddr{Net: "unixgram", Name: filepath.Join(t.TempDir(), "c")}, s.Addr().(*net.UnixAddr))
	} else {
		conn, err = net.Dial(s.Transport.Network(), s.Addr().String())
	}
	require.NoError(t, err)
	return newClient(t, conn)
}

func dialAddress(t *testing.T, address string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	return newClient(t, conn)
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(wait)))
	return &client{conn, bufio.NewReaderSize(conn, 64<<10)}
}

// ask sends a command and returns the answer.
func (c *client) ask(t *testing.T, command string) string {
	t.Helper()
	_, err := io.WriteString(c, command+"\n")
	require.NoError(t, err)
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

// freeze stops a process, and returns when all its threads have stopped.
func freeze(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	const pPid, wStopped, wNoWait = 1, 2, 0x01000000
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPid, uintptr(pid), 0, wStopped|wNoWait, 0, 0)
		if errno != syscall.EINTR {
			require.Zero(t, errno)
			return
		}
	}
}

// leaveChildren starts processes that outlive the plugin and hold what it prints to: one
// in its group and one in a session of its own.
func leaveChildren() {
	for _, attr := range []*syscall.SysProcAttr{nil, {Setsid: true}} {
		child := exec.Command("sleep", "30")
		child.Stdout, child.Stderr, child.SysProcAttr = os.Stdout, os.Stderr, attr
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("left behind", child.Process.Pid)
	}
}
