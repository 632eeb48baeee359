package supervisor_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestStatus(t *testing.T) {
	s := start(t, server("a", anyPort, `"threading" {}`, "a", "")+server("b", strings.Replace(anyPort, "tcp", "udp", 1), `"synchronous" {}`, "b", ""))
	status := s.Status()
	require.Len(t, status, 2)
	for i, strategy := range []string{"threading", "synchronous"} {
		name := status[i].Name
		require.Equal(t, []string{"a", "b"}[i], name)
		require.Equal(t, supervisor.Serving, status[i].State)
		require.NotZero(t, status[i].Since)
		require.Equal(t, strategy, status[i].Strategy)
		require.Equal(t, "timestamp", status[i].Handler)
		require.Len(t, status[i].Listeners, 1)
		require.Empty(t, status[i].Workers)
		require.Zero(t, status[i].Active)
		conn := dial(t, status[i].Listeners[0])
		require.Equal(t, name+"hello", frameworktest.Ask(t, conn, "hello"))
		if name == "a" {
			require.Equal(t, 1, s.status(t, name).Active)
		}
		require.NoError(t, conn.Close())
	}
	s.end()
	for i, stopped := range s.Status() {
		require.Equal(t, supervisor.Stopped, stopped.State)
		require.Equal(t, status[i].Listeners, stopped.Listeners)
	}
}

// A server whose text is the same is not touched, also where others come, go and change.
func TestUnchangedServerIsNotTouched(t *testing.T) {
	kept := server("kept", anyPort, `"threading" {}`, "kept ", "")
	s := start(t, kept+server("gone", anyPort, `"threading" {}`, "gone ", "")+server("changed", anyPort, `"threading" {}`, "old ", ""))
	before, gone := s.status(t, "kept"), s.status(t, "gone").Listeners[0]
	conn := dial(t, before.Listeners[0])
	require.Equal(t, "kept hello", frameworktest.Ask(t, conn, "hello"))
	changed := s.status(t, "changed").Listeners[0]

	s.apply(t, server("new", anyPort, `"threading" {}`, "new ", "")+server("changed", anyPort, `"threading" {}`, "now ", "")+kept)
	s.log.await(t, "stopped", 2)
	require.Len(t, s.Status(), 3)
	after := s.status(t, "kept")
	require.Equal(t, before.Since, after.Since)
	require.Equal(t, before.Listeners, after.Listeners)
	require.Equal(t, "kept still", frameworktest.Ask(t, conn, "still"))
	require.Equal(t, "now hello", frameworktest.Ask(t, dial(t, changed), "hello"))
	require.Equal(t, "new hello", frameworktest.Ask(t, dial(t, s.status(t, "new").Listeners[0]), "hello"))
	_, err := net.Dial(gone.Network, gone.Address)
	require.Error(t, err)
	require.Equal(t, 3, s.catalog.open())
}

// A request of a server that is replaced goes on, and its instance is shown until it is over.
func TestRetiredInstanceFinishesItsRequests(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			transport := anyPort
			if network == "unix" {
				transport = `transport "unix" { address = "` + t.TempDir() + `/s" }`
			}
			s := start(t, server("s", transport, `"threading" {}`, "old ", ""))
			at := s.status(t, "s").Listeners[0]
			conn := dial(t, at)
			require.Equal(t, "old one", frameworktest.Ask(t, conn, "one"))
			s.apply(t, server("s", transport, `"threading" {}`, "new ", ""))
			require.Equal(t, "new one", frameworktest.Ask(t, dial(t, at), "one"))
			require.Equal(t, "old two", frameworktest.Ask(t, conn, "two"))
			states := s.Status()
			require.Len(t, states, 2)
			require.Equal(t, supervisor.Serving, states[0].State)
			require.Equal(t, supervisor.Draining, states[1].State)
			require.Equal(t, 1, states[1].Active)
			require.NoError(t, conn.Close())
			s.log.await(t, "stopped", 1)
		})
	}
}

// The members of a chat room stay together when the limits of their server change.
func TestMemberOfRoomMeetsThoseAfterChangeOfLimits(t *testing.T) {
	room := func(limit string) string {
		return `server "room" {
			` + anyPort + `
			concurrency "threading" {}
			handler "chat" { commands = true }
			limits { connections = ` + limit + ` }
			timeouts { drain = "10m" }
		}`
	}
	enter := func(l supervisor.Listener) net.Conn {
		conn := dial(t, l)
		expectLine(t, conn, "-- you are ")
		return conn
	}
	s := start(t, room("200"))
	at := s.status(t, "room").Listeners[0]
	first := enter(at)
	before := s.status(t, "room")
	p := s.apply(t, room("400"))
	require.Equal(t, "~ room: limits.connections 200 -> 400", p.String())
	require.Equal(t, before.Since, s.status(t, "room").Since, "the instance stays")
	second := enter(at)
	expectLine(t, first, "")
	frameworktest.Send(t, second, "are you there?\n")
	expectLine(t, first, "are you there?")
	require.Equal(t, 1, s.catalog.open())
	p = s.apply(t, strings.Replace(room("400"), "{}", "{ max_threads = 10 }", 1))
	require.Equal(t, []string{"room"}, p.Servers(supervisor.Replace))
	third := enter(at)
	expectLine(t, first, "")
	frameworktest.Send(t, third, "and you?\n")
	expectLine(t, first, "and you?")
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	s.log.await(t, "stopped", 1)
	require.Equal(t, 1, s.catalog.open(), "the class is still used")
}

// expectLine reads a line with text in it.
func expectLine(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); b[0] != '\n'; line = append(line, b[0]) {
		_, err := conn.Read(b)
		require.NoError(t, err, "%s", line)
	}
	require.Contains(t, string(line), text)
}

// Servers that swap their addresses do so in one step.
func TestSwapAddresses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return `transport "unix" { address = "` + dir + "/" + name + `" }` }
	s := start(t, server("a", at("1"), `"threading" {}`, "a", "")+server("b", at("2"), `"threading" {}`, "b", ""))
	s.apply(t, server("a", at("2"), `"threading" {}`, "a", "")+server("b", at("1"), `"threading" {}`, "b", ""))
	for address, name := range map[string]string{"1": "b", "2": "a"} {
		conn := dial(t, supervisor.Listener{Network: "unix", Address: dir + "/" + address})
		require.Equal(t, name+" hello", frameworktest.Ask(t, conn, " hello"))
	}
}

// The addresses are free once every server has been stopped by its requests.
func TestServersThatStopThemselves(t *testing.T) {
	quit := func(name string) string {
		return `
		server "` + name + `" {
			` + anyPort + `
			` + anyPort + `
			concurrency "threading" {}
			handler "timestamp" { quit = "server" }
		}`
	}
	s := start(t, quit("a")+quit("b"))
	for n, status := range s.Status() {
		frameworktest.Send(t, dial(t, status.Listeners[1]), "quit\n")
		s.log.await(t, "stopped", n+1)
		for _, l := range status.Listeners {
			_, err := net.Dial(l.Network, l.Address)
			require.Error(t, err)
		}
	}
	s.log.await(t, "every server has stopped", 1)
	_, err := s.Apply(t.Context(), s.parse(t, quit("a")))
	require.ErrorContains(t, err, "the servers are being stopped")
}

// A server that has stopped itself runs again after the next Apply, the others untouched.
func TestApplyStartsStoppedServer(t *testing.T) {
	stopped := `server "stopped" {
		` + anyPort + `
		concurrency "threading" {}
		handler "timestamp" { quit = "server" }
	}`
	other := server("other", anyPort, `"threading" {}`, "", "")
	s := start(t, stopped+other)
	before := s.status(t, "other")
	frameworktest.Send(t, dial(t, s.status(t, "stopped").Listeners[0]), "quit\n")
	s.log.await(t, "stopped: server=stopped", 1)
	s.apply(t, stopped+other)
	require.Equal(t, supervisor.Serving, s.status(t, "stopped").State)
	require.Contains(t, frameworktest.Ask(t, dial(t, s.status(t, "stopped").Listeners[0]), "hello\n"), "hello")
	require.Equal(t, before, s.status(t, "other"))
}

// A server that is stopping itself, for as long as one client takes, is replaced.
func TestApplyReplacesStoppingServer(t *testing.T) {
	text := `server "s" {
		` + anyPort + `
		concurrency "threading" {}
		handler "timestamp" { quit = "server" }
		timeouts { drain = "10m" }
	}`
	s := start(t, text)
	held := dial(t, s.status(t, "s").Listeners[0])
	require.Contains(t, frameworktest.Ask(t, held, "hello\n"), "hello")
	frameworktest.Send(t, dial(t, s.status(t, "s").Listeners[0]), "quit\n")
	s.log.await(t, "waiting for requests", 1)
	s.apply(t, text)
	require.Equal(t, supervisor.Serving, s.status(t, "s").State)
	require.Contains(t, frameworktest.Ask(t, dial(t, s.status(t, "s").Listeners[0]), "hello\n"), "hello")
	require.Contains(t, frameworktest.Ask(t, held, "hello\n"), "hello")
	require.NoError(t, held.Close())
}

// The bound of a strategy is for the requests of all generations with one handler.
func TestStrategyIsThatOfAllGenerations(t *testing.T) {
	const anySource = "limits { per_source = 0 }"
	for _, concurrency := range []string{`"synchronous" {}`, `"threading" { max_threads = 1 }`} {
		s := start(t, server("s", anyPort, concurrency, "", anySource))
		held := dial(t, s.status(t, "s").Listeners[0])
		require.Equal(t, "hello", frameworktest.Ask(t, held, "hello"))
		s.apply(t, server("s", anyPort+"\n"+anyPort, concurrency, "", anySource))
		waits := dial(t, s.status(t, "s").Listeners[1])
		frameworktest.Send(t, waits, "next")
		require.NoError(t, waits.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
		_, err := waits.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, waits.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
		require.NoError(t, held.Close())
		frameworktest.Expect(t, waits, "next")
	}
}

// An error of what a server needs beside its address is not taken for one of the address.
func TestErrorsBesideTheAddress(t *testing.T) {
	for _, cause := range []error{
		syscall.EACCES, syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, &os.PathError{Op: "open", Path: "console", Err: syscall.EACCES},
		&net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)},
	} {
		s := supervisor.New(supervisor.Options{Log: hclog.NewNullLogger()})
		catalog := &compiledIn{}
		c, err := config.Parse("servers.hcl", []byte(server("s", anyPort, `"threading" {}`, "", "")), catalog)
		require.NoError(t, err)
		c.Servers[0].Class.Open = func(string, hclog.Logger) error { return cause }
		_, err = s.Apply(t.Context(), c)
		require.ErrorIs(t, err, cause)
		for _, advice := range []string{"port", "tcp", "in use by", "no address of this machine"} {
			require.NotContains(t, err.Error(), advice)
		}
		require.Zero(t, catalog.open())
	}
}

// Servers start beside each other: each of these waits until the other has begun.
func TestServersStartAtOnce(t *testing.T) {
	s := start(t, server("s", anyPort, `"threading" {}`, "", ""))
	c := s.parse(t, server("a", anyPort, `"threading" {}`, "a", "")+server("b", anyPort, `"threading" {}`, "b", ""))
	var both sync.WaitGroup
	both.Add(len(c.Servers))
	for _, server := range c.Servers {
		server.Class.Open = func(string, hclog.Logger) error {
			both.Done()
			both.Wait()
			return nil
		}
	}
	applied := make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), c)
		applied <- err
	}()
	require.NoError(t, frameworktest.Await(t, applied))
}

// A lasting handler waits for its client, or for the end of its context.
type lasting struct {
	framework.StreamRequestHandler
	cancelled *atomic.Int32
}

func (h *lasting) Handle(rfile *bufio.Reader, wfile io.Writer) error {
	defer context.AfterFunc(h.Context(), func() { h.cancelled.Add(1) })()
	_, err := io.Copy(wfile, rfile)
	return err
}

// Replacements cancel no context of a request, and leave no goroutine behind.
func TestReplacementsLeaveNothingBehind(t *testing.T) {
	threads := func(n int) string {
		return server("s", anyPort, fmt.Sprintf(`"threading" { max_threads = %d }`, n), "", "limits { per_source = 0 }")
	}
	s := start(t, server("other", anyPort, `"threading" {}`, "", ""))
	var cancelled atomic.Int32
	c := s.parse(t, threads(100))
	c.Servers[0].Class = &framework.HandlerClass{New: func() framework.Handler { return &lasting{cancelled: &cancelled} }}
	s.catalog.closed++ // the class that it replaces
	_, err := s.Apply(t.Context(), c)
	require.NoError(t, err)
	s.log.await(t, "stopped: server=other", 1)
	at := s.status(t, "s").Listeners[0]
	before := runtime.NumGoroutine()
	var conns []net.Conn
	const replacements = 20
	for n := range replacements {
		conns = append(conns, dial(t, at))
		require.Equal(t, "hello", frameworktest.Ask(t, conns[n], "hello"))
		require.Equal(t, []string{"s"}, s.apply(t, threads(200+n)).Servers(supervisor.Replace))
	}
	require.Len(t, s.Status(), replacements+1)
	for _, conn := range conns {
		require.Equal(t, "still", frameworktest.Ask(t, conn, "still"))
		require.NoError(t, conn.Close())
	}
	s.log.await(t, "stopped: server=s", replacements)
	require.Zero(t, cancelled.Load())
	// The first instance may not have had all of its goroutines yet; a leak is one for each replacement.
	for late := time.Now().Add(frameworktest.Patience); runtime.NumGoroutine() >= before+replacements; runtime.Gosched() {
		require.True(t, time.Now().Before(late), "%d goroutines, before %d", runtime.NumGoroutine(), before)
	}
}

// An instance counts against the limits of the one that it replaces.
func TestLimitsAreThoseOfAllGenerations(t *testing.T) {
	two := func(threads, connections int) string {
		return server("s", anyPort, fmt.Sprintf(`"threading" { max_threads = %d }`, threads), "", fmt.Sprintf("limits {\nconnections = %d\nwhen_full = \"refuse\"\nbanner = \"full\"\nper_source = 0\n}", connections))
	}
	s := start(t, two(10, 2))
	at := s.status(t, "s").Listeners[0]
	first := dial(t, at)
	require.Equal(t, "hello", frameworktest.Ask(t, first, "hello"))
	s.apply(t, two(20, 2))
	second := dial(t, at)
	require.Equal(t, "hello", frameworktest.Ask(t, second, "hello"))
	refused := dial(t, at)
	text, err := io.ReadAll(refused)
	require.NoError(t, err)
	require.Equal(t, "full", string(text))
	s.apply(t, two(20, 3))
	third := dial(t, at)
	require.Equal(t, "hello", frameworktest.Ask(t, third, "hello"))
}

// Access and rates change while a server serves.
func TestApplyChangesAccessAndRates(t *testing.T) {
	with := func(more string) string { return server("s", anyPort, `"threading" {}`, "", more) }
	s := start(t, with(""))
	at := s.status(t, "s").Listeners[0]
	first := dial(t, at)
	require.Equal(t, "hello", frameworktest.Ask(t, first, "hello"))
	require.Equal(t, []string{"s"}, s.apply(t, with(`access { deny = ["127.0.0.0/8"] }`)).Servers(supervisor.Change))
	frameworktest.ExpectEnd(t, dial(t, at))
	require.Equal(t, []string{"s"}, s.apply(t, with("limits { rate_per_source = \"1/h\" }")).Servers(supervisor.Change))
	require.Equal(t, "hello", frameworktest.Ask(t, dial(t, at), "hello"))
	frameworktest.ExpectEnd(t, dial(t, at))
	require.Equal(t, "still", frameworktest.Ask(t, first, "still"))
	refused := s.status(t, "s").Refused
	require.Equal(t, int64(1), refused[framework.RefusedAccess])
	require.Equal(t, int64(1), refused[framework.RefusedRatePerSource])
}

// A server gets another class while another one stops, which does not serve again.
func TestRenewLeavesStoppingServer(t *testing.T) {
	text := server("a", anyPort, `"threading" {}`, "0", "") + server("b", anyPort, `"threading" {}`, "0", "")
	s := start(t, text)
	conn := dial(t, s.status(t, "a").Listeners[0])
	require.Equal(t, "0hello", frameworktest.Ask(t, conn, "hello"))
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background(), "a") }()
	s.log.await(t, "waiting for requests", 1)
	s.catalog.running = nil
	_, err := s.Renew(t.Context(), s.parse(t, text))
	require.ErrorIs(t, err, supervisor.ErrStopped)
	c := s.parse(t, server("b", anyPort, `"threading" {}`, "1", ""))
	plan, err := s.Renew(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, plan.Servers(supervisor.Replace))
	require.Equal(t, supervisor.Draining, s.status(t, "a").State)
	require.NoError(t, conn.Close())
	require.NoError(t, <-stopped)
	require.Equal(t, supervisor.Stopped, s.status(t, "a").State)
}
