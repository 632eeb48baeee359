package natstest

import (
	"encoding/json"
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

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A Node is one of three servers of NATS, in a process of its own that this program is started as.
type Node struct {
	Name      string
	Host      string // of the loopback network
	Directory string
	Port      int // of clients
	Route     int // of other nodes
	Routes    []string

	process *exec.Cmd
	life    io.Closer // the node ends when it is closed
}

const variable = "SOCKETSERVER_TEST_NODE"

// Become makes this process a node, and does not return, where it was started as one. Tests call it in an init.
func Become() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	var n Node
	if json.Unmarshal([]byte(text), &n) != nil {
		os.Exit(2)
	}
	s, err := natsserver.NewServer(&natsserver.Options{
		ServerName: n.Name, Host: n.Host, Port: n.Port, JetStream: true, StoreDir: n.Directory, NoLog: true,
		Routes: natsserver.RoutesFromStr(strings.Join(n.Routes, ",")),
		// Nodes know each other by Routes alone, which lead through gates.
		Cluster: natsserver.ClusterOpts{Name: "test", Host: n.Host, Port: n.Route, Advertise: "127.0.0.1:1"},
	})
	if err != nil {
		os.Exit(2)
	}
	s.Start()
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// Start starts the node.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	text, err := json.Marshal(n)
	require.NoError(t, err)
	n.process = exec.Command(os.Args[0])
	n.process.Env = append(os.Environ(), variable+"="+string(text))
	n.life, err = n.process.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, n.process.Start())
}

// Signal sends the node a signal.
func (n *Node) Signal(s syscall.Signal) { _ = n.process.Process.Signal(s) }

// End ends the node by a signal.
func (n *Node) End(s syscall.Signal) {
	n.Signal(s)
	_ = n.process.Wait()
}

// A gate passes the connections of one node to another one on, while it is open.
type gate struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func newGate(t testing.TB, to string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{Listener: l}
	t.Cleanup(func() { g.set(true); _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", to)
			if err != nil {
				_ = c.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, c, to)
			if g.closed {
				_, _ = c.Close(), to.Close()
			}
			g.mu.Unlock()
			go func() { _, _ = io.Copy(to, c); _ = to.Close() }()
			go func() { _, _ = io.Copy(c, to); _ = c.Close() }()
		}
	}()
	return g
}

func (g *gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	if closed {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

// Nodes are a cluster of three, and the gates at each of them.
type Nodes struct {
	All   [3]*Node
	gates [3][]*gate
}

// Start starts three nodes, which end with the test, and waits until a stream can have three copies.
func Start(t testing.TB) *Nodes {
	t.Helper()
	c := plan(t)
	c.serve(t)
	return c
}

// plan chooses addresses that were free a moment ago.
func plan(t testing.TB) *Nodes {
	t.Helper()
	c, dir := new(Nodes), t.TempDir()
	for i := range c.All {
		name := fmt.Sprintf("n%d", i)
		c.All[i] = &Node{Name: name, Host: fmt.Sprintf("127.0.0.%d", 2+i), Directory: filepath.Join(dir, name)}
		for _, port := range []*int{&c.All[i].Port, &c.All[i].Route} {
			l, err := net.Listen("tcp", c.All[i].Host+":0")
			require.NoError(t, err)
			defer l.Close()
			*port = l.Addr().(*net.TCPAddr).Port
		}
	}
	for i, n := range c.All {
		for j, other := range c.All[:i] {
			g := newGate(t, fmt.Sprintf("%s:%d", other.Host, other.Route))
			n.Routes = append(n.Routes, "nats://"+g.Addr().String())
			c.gates[i], c.gates[j] = append(c.gates[i], g), append(c.gates[j], g)
		}
	}
	return c
}

func (c *Nodes) serve(t testing.TB) {
	t.Helper()
	for _, n := range c.All {
		n.Start(t)
		t.Cleanup(func() {
			n.Signal(syscall.SIGCONT)
			_ = n.life.Close()
			_ = n.process.Wait()
		})
	}
	conn, err := nats.Connect(c.URL(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "probe", Replicas: 3})
		return err == nil
	}, frameworktest.Patience, 100*time.Millisecond, "there is no cluster: %v", err)
}

// URL has the addresses of all nodes.
func (c *Nodes) URL() string {
	var urls []string
	for _, n := range c.All {
		urls = append(urls, fmt.Sprintf("nats://%s:%d", n.Host, n.Port))
	}
	return strings.Join(urls, ",")
}

// Cut cuts a node off from the others, or has it back.
func (c *Nodes) Cut(of int, off bool) {
	for _, g := range c.gates[of] {
		g.set(off)
	}
}
