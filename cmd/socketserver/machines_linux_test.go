package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

func init() { natstest.Become() }

// machines are three daemons with two workers and three nodes of NATS, each at an address of its own.
type machines struct {
	t       *testing.T
	nodes   *natstest.Nodes
	file    string
	daemons [3]*process
	listen  [3]map[string]listener // by server
	workers [2]*process
}

func (m *machines) startDaemon(n int) {
	m.t.Helper()
	command := exec.Command("socketserver", "serve", "-c", m.file)
	command.Env = append(os.Environ(), fmt.Sprintf("MACHINE=127.0.0.%d", 10+n), fmt.Sprintf("ADMIN=%s.%d", m.file, n))
	m.daemons[n] = start(m.t, m.t.TempDir(), command)
	m.listen[n] = map[string]listener{}
	for _, l := range m.daemons[n].awaitListening(m.t) {
		m.listen[n][l.server] = l
	}
	m.daemons[n].await(m.t, "cluster joined")
}

func (m *machines) startWorker(n int) {
	m.t.Helper()
	command := exec.Command("socketserver", "worker", "-c", m.file, "--listen", fmt.Sprintf("127.0.0.%d:0", 20+n))
	command.Env = append(os.Environ(), "MACHINE=127.0.0.1", "ADMIN=")
	m.workers[n] = start(m.t, m.t.TempDir(), command)
	m.workers[n].await(m.t, "ready")
	for _, d := range m.daemons {
		if d != nil && d.ProcessState == nil {
			d.await(m.t, "worker is known")
		}
	}
}

// A conversation is a connection of the server echo, with the daemon that it is of.
type conversation struct {
	net.Conn
	daemon int
}

func (m *machines) open(daemon int) conversation {
	m.t.Helper()
	c := conversation{dial(m.t, m.listen[daemon]["echo"]), daemon}
	require.Equal(m.t, "hello", frameworktest.Ask(m.t, c, "hello"))
	return c
}

// lost reports whether a conversation has ended.
func (c conversation) lost(t *testing.T) bool {
	t.Helper()
	_, failed := c.Write([]byte("still here"))
	answer := make([]byte, 10)
	if _, err := io.ReadFull(c, answer); errors.Join(failed, err) != nil {
		return true
	}
	require.Equal(t, "still here", string(answer))
	return false
}

// A member is in the room.
type member struct {
	net.Conn
	t     *testing.T
	lines *bufio.Reader
}

func (m *machines) enter(daemon int) member {
	m.t.Helper()
	c := dial(m.t, m.listen[daemon]["room"])
	e := member{c, m.t, bufio.NewReader(c)}
	require.Contains(m.t, e.line(), "-- you are ")
	return e
}

func (m member) line() string {
	m.t.Helper()
	line, err := m.lines.ReadString('\n')
	require.NoError(m.t, err)
	return line
}

// say returns what the room says to a command.
func (m member) say(text string) string {
	m.t.Helper()
	frameworktest.Send(m.t, m, text+"\n")
	for {
		if line := m.line(); strings.HasPrefix(line, "-- ") && !strings.Contains(line, "linked") {
			return line
		}
	}
}

// count has a daemon count a line, until it can, and returns the number and how long that took.
func (m *machines) count(daemon int) (n int, took time.Duration) {
	m.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c := dial(m.t, m.listen[daemon]["tickets"])
		frameworktest.Send(m.t, c, "\n")
		answer, err := bufio.NewReader(c).ReadString('\n')
		_ = c.Close()
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(answer))
			require.NoError(m.t, err)
			return n, time.Since(began)
		}
		require.Less(m.t, time.Since(began), frameworktest.Patience)
	}
}

// active returns the number of requests of the server echo in a process, as another daemon sees it.
func (m *machines) active(by int, p *process) int {
	m.t.Helper()
	said, err := says("socketserver", "status", "--all", "--json", "--admin", fmt.Sprintf("%s.%d", m.file, by))
	require.NoError(m.t, err, said)
	var all []machineStatus
	require.NoError(m.t, json.Unmarshal([]byte(said), &all))
	for _, a := range all {
		for _, s := range a.Servers {
			if a.Pid == p.Process.Pid && s.Name == "echo" {
				return s.Active
			}
		}
	}
	m.t.Fatalf("no status of process %d", p.Process.Pid)
	return 0
}

// Whichever of three daemons, two workers and three nodes of NATS is killed, only its own connections are lost, and the
// daemons that are left count together.
func TestDistributedMachines(t *testing.T) {
	if often(0, 1) == 0 {
		t.Skip("SOCKETSERVER_LONG_TESTS is not set")
	}
	m := &machines{t: t, nodes: natstest.Start(t)}
	m.file = filepath.Join(t.TempDir(), "servers.hcl")
	require.NoError(t, os.WriteFile(m.file, fmt.Appendf(nil, `cluster { url = %[1]q }
admin { socket = env("ADMIN") }
server "echo" {
  transport "tcp" { address = "${env("MACHINE")}:0" }
  concurrency "distributed" {}
  handler "echo" {}
}
server "tickets" {
  transport "tcp" { address = "${env("MACHINE")}:0" }
  concurrency "threading" {}
  handler "counter" {}
  state {
    backend = "nats"
    url     = %[1]q
  }
}
server "room" {
  transport "tcp" { address = "${env("MACHINE")}:0" }
  concurrency "threading" {}
  handler "chat" {
    commands = true
    bus      = %[2]q
  }
}
`, m.nodes.URL(), fmt.Sprintf("nats://%s:%d/room", m.nodes.All[0].Host, m.nodes.All[0].Port)), 0o600))
	for n := range m.daemons {
		m.startDaemon(n)
	}
	for n := range m.workers {
		m.startWorker(n)
	}
	var all []conversation
	for n := range 12 {
		all = append(all, m.open(n%3))
	}
	total := 0
	agree := func(what string, among ...int) {
		t.Helper()
		var slowest time.Duration
		for _, n := range among { // what had no answer may have been counted
			number, took := m.count(n)
			require.Greater(t, number, total, "an acknowledged line was lost")
			total, slowest = number, max(slowest, took)
		}
		for _, n := range among {
			number, _ := m.count(n)
			require.Equal(t, total+1, number)
			total = number
		}
		t.Logf("%s: counted again after %s", what, slowest)
	}
	// expect checks which conversations are lost.
	expect := func(what string, own int, lost func(conversation) bool) {
		t.Helper()
		var left []conversation
		gone := 0
		for _, c := range all {
			switch {
			case !c.lost(t):
				require.False(t, lost != nil && lost(c), what)
				left = append(left, c)
			default:
				require.True(t, lost == nil || lost(c), what)
				gone++
			}
		}
		require.Equal(t, own, gone, what)
		all = left
	}
	agree("before", 0, 1, 2)

	own := m.active(0, m.workers[0])
	require.Equal(t, 12, own+m.active(0, m.workers[1]))
	require.NoError(t, m.workers[0].Process.Kill())
	expect("worker killed", own, nil)
	agree("worker killed", 0, 1, 2)
	for n := range own {
		all = append(all, m.open(n%3)) // served by the other one
	}
	m.startWorker(0)

	dead, living := m.enter(1), m.enter(0)
	require.Contains(t, dead.say("/nick ada"), " is now ada")
	for began := time.Now(); !strings.Contains(living.say("/names"), "ada"); time.Sleep(100 * time.Millisecond) { // the rooms are linked
		require.Less(t, time.Since(began), frameworktest.Patience)
	}
	require.NotContains(t, living.say("/nick ada"), " is now ada")
	require.NoError(t, m.daemons[1].Process.Kill())
	<-m.daemons[1].ended
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // the name becomes free
		if strings.Contains(living.say("/nick ada"), " is now ada") {
			t.Logf("daemon killed: a name was free after %s", time.Since(began))
			break
		}
		require.Less(t, time.Since(began), frameworktest.Patience)
	}
	own = 0
	for _, c := range all {
		if c.daemon == 1 {
			own++
		}
	}
	expect("daemon killed", own, func(c conversation) bool { return c.daemon == 1 })
	agree("daemon killed", 0, 2)
	m.startDaemon(1)
	for range m.workers {
		m.daemons[1].await(t, "worker is known")
	}

	for n, node := range m.nodes.All {
		node.End(syscall.SIGKILL)
		agree(fmt.Sprintf("node %d killed", n), 0, 1, 2)
		expect("node killed", 0, nil)
		node.Start(t)
		agree(fmt.Sprintf("node %d back", n), 0, 1, 2)
	}

	for _, node := range m.nodes.All {
		node.End(syscall.SIGKILL)
	}
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		expect("no NATS", 0, nil)
		for n := range m.daemons {
			require.NoError(t, m.open(n).Close())
		}
	}
	for _, node := range m.nodes.All {
		node.Start(t)
	}
	agree("NATS back", 0, 1, 2)
	expect("NATS back", 0, nil)
}
