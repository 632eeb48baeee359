package kv

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/hashicorp/go-hclog"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A node is one of three servers of NATS, in a process of its own that this program is started as.
type node struct {
	Name      string
	Directory string
	Port      int // of clients
	Route     int // of other nodes
	Routes    []string

	process *exec.Cmd
	life    io.Closer // the node ends when it is closed
}

const nodeVariable = "SOCKETSERVER_TEST_NODE"

func init() {
	if text, ok := os.LookupEnv(nodeVariable); ok {
		serveNode(text)
	}
}

// serveNode is the main of a node.
func serveNode(text string) {
	var n node
	if json.Unmarshal([]byte(text), &n) != nil {
		os.Exit(2)
	}
	s, err := natsserver.NewServer(&natsserver.Options{
		ServerName: n.Name, Host: "127.0.0.1", Port: n.Port, JetStream: true, StoreDir: n.Directory, NoLog: true,
		Routes: natsserver.RoutesFromStr(strings.Join(n.Routes, ",")),
		// Nodes know each other by Routes alone, which lead through gates.
		Cluster: natsserver.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: n.Route, Advertise: "127.0.0.1:1"},
	})
	if err != nil {
		os.Exit(2)
	}
	s.Start()
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func (n *node) start(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(n)
	require.NoError(t, err)
	n.process = exec.Command(os.Args[0])
	n.process.Env = append(os.Environ(), nodeVariable+"="+string(text))
	n.life, err = n.process.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, n.process.Start())
}

func (n *node) signal(s syscall.Signal) { _ = n.process.Process.Signal(s) }

// restart starts the node again, which a signal ends.
func (n *node) restart(t *testing.T, s syscall.Signal) {
	n.signal(s)
	_ = n.process.Wait()
	n.start(t)
}

// A gate passes the connections of one node to another one on, while it is open.
type gate struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func newGate(t *testing.T, port int) *gate {
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
			to, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
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

// nodes are a cluster of three, and the gates at each of them.
type nodes struct {
	all   [3]*node
	gates [3][]*gate
}

func startNodes(t *testing.T) *nodes {
	t.Helper()
	c := new(nodes)
	var ports [6]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	dir := t.TempDir()
	for i := range c.all {
		name := fmt.Sprintf("n%d", i)
		c.all[i] = &node{Name: name, Directory: filepath.Join(dir, name), Port: ports[i], Route: ports[3+i]}
	}
	for i, n := range c.all {
		for j := range i {
			g := newGate(t, c.all[j].Route)
			n.Routes = append(n.Routes, "nats://"+g.Addr().String())
			c.gates[i], c.gates[j] = append(c.gates[i], g), append(c.gates[j], g)
		}
	}
	return c
}

// run starts the nodes, and waits until a stream can have three copies.
func (c *nodes) run(t *testing.T) {
	t.Helper()
	for _, n := range c.all {
		n.start(t)
		t.Cleanup(func() {
			n.signal(syscall.SIGCONT)
			_ = n.life.Close()
			_ = n.process.Wait()
		})
	}
	conn, err := nats.Connect(c.url(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "probe", Replicas: 3})
		return err == nil
	}, frameworktest.Patience, 100*time.Millisecond, "there is no cluster: %v", err)
}

func (c *nodes) url() string {
	var urls []string
	for _, n := range c.all {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", n.Port))
	}
	return strings.Join(urls, ",")
}

// mishap is what happens to one node.
func (c *nodes) mishap(t *testing.T, kind, of int) {
	n := c.all[of]
	switch kind {
	case 0:
		n.restart(t, syscall.SIGKILL)
	case 1:
		n.restart(t, syscall.SIGTERM)
	case 2:
		n.signal(syscall.SIGSTOP)
		time.Sleep(time.Second) // how long it is away, and no wait
		n.signal(syscall.SIGCONT)
	case 3:
		for _, g := range c.gates[of] {
			g.set(true)
		}
		time.Sleep(time.Second)
		for _, g := range c.gates[of] {
			g.set(false)
		}
	}
}

// TestLinearizableNodes checks histories as TestLinearizable does, of a state on three nodes, one of which is killed, restarted,
// stopped or cut off from the others meanwhile. What was acknowledged before is read at the end. Counters are not reset: NATS
// forgets that where the counter is added to at the same time.
func TestLinearizableNodes(t *testing.T) {
	if os.Getenv("SOCKETSERVER_LONG_TESTS") == "" {
		t.Skip("SOCKETSERVER_LONG_TESTS is not set")
	}
	const together = 10 // histories with one mishap
	c := startNodes(t)
	c.run(t)
	var b Backends
	var state framework.State
	require.Eventually(t, func() bool {
		opened, closeState, err := b.Open(t.Context(), "s", config.State{Backend: "nats", URL: c.url(), Bucket: "test"}, hclog.NewNullLogger())
		if err == nil {
			state = opened
			t.Cleanup(closeState)
		}
		return err == nil
	}, frameworktest.Patience, 100*time.Millisecond)
	require.Equal(t, 3, state.(*bucket).values.CachedInfo().Config.Replicas)
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, remote, ""))
	s.Strategy, s.State = &framework.Forking{MaxRequests: 1}, state
	frameworktest.Serve(t, s)
	var unknown, all int
	for round := range 100 {
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		kind, of := round%4, random.IntN(3)
		begun := make(chan struct{}, together)
		var histories [together][]porcupine.Operation
		var running sync.WaitGroup
		for n := range histories {
			running.Go(func() {
				clients := make([]*client, 3)
				for n := range clients {
					clients[n] = &client{t: t, server: s, number: n}
				}
				histories[n] = oneHistory(clients, round*together+n, seed+uint64(n), verbs, func() { begun <- struct{}{} })
				for _, c := range clients {
					c.leave()
				}
			})
		}
		<-begun
		c.mishap(t, kind, of)
		running.Wait()
		for n, history := range histories {
			require.True(t, porcupine.CheckOperations(register, history), "round %d, history %d with seed %d and mishap %d: %v", round, n, seed, kind, history)
			for _, o := range history {
				all++
				if o.Output.(result).Err == "unknown" {
					unknown++
				}
			}
		}
	}
	t.Logf("%d of %d operations had no answer", unknown, all)
	require.Less(t, unknown, all/2)
}
