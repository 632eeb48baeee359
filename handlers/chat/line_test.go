package chat_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/chat"
)

// serveDesk starts a server called desk, whose operator's socket lies in a directory of its own.
func serveDesk(t *testing.T, options string, set ...func(*framework.BaseServer)) *framework.BaseServer {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	s := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, options))
	s.Name = "desk"
	for _, set := range set {
		set(s)
	}
	return frameworktest.Serve(t, s)
}

func dialOperator(t *testing.T) *client {
	t.Helper()
	path, err := chat.FindOperator("desk")
	require.NoError(t, err)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return newClient(t, conn)
}

// attach connects a console, and waits until it is told the state of the line.
func attach(t *testing.T, state string) *client {
	t.Helper()
	c := dialOperator(t)
	c.skips("an empty line hangs up; " + state + "\n")
	return c
}

func TestHalfDuplex(t *testing.T) {
	s := serveDesk(t, `{"mode": "half-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	a.say("你好")
	console.hears("from: 你好\n")
	a.say("more") // waits for its turn
	console.say("hello\n")
	a.hears("hello") // without a newline, as it was sent
	console.hears("from: more\n")
	console.say("yes\nand\n")
	a.hears("yes")
	console.hears("-- it is the client's turn; an empty line hangs up\n")
	a.say("a line\r\nand another\r\n")
	console.hears("from: a line\nfrom: and another\n")
	console.say("bye\n\n")
	a.hears("bye\r\n")
	a.hearsEnd()
	console.hears("-- " + a.address() + " has left\n")
	console.say("anybody?\n")
	console.hears("-- nobody is connected\n")

	b := dial(t, s) // the operator may begin
	console.hears("connected by  " + b.address() + "\n")
	console.say("welcome\n")
	b.hears("welcome")
	b.reset()
	console.hears("-- " + b.address() + " has left\n")
}

func TestFullDuplex(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	for range 3 {
		a.say("from a\x1b[2J\n")
		console.hears(`from a\u001b[2J` + "\n")
	}
	console.say("one\ntwo \x1b[2J\nthree") // the last one without an end
	require.NoError(t, console.Conn.(*net.UnixConn).CloseWrite())
	a.hears("one\n" + `two \u001b[2J` + "\nthree\n")
	console.hearsEnd()
	a.say("still here\n") // the console's end is not the client's
	a.hears("-- no operator is here; what you said waits for one\n")
	console = attach(t, "nobody else waits")
	console.hears("connected by  " + a.address() + "\nstill here\n")
}

// Others wait, and are told; who leaves meanwhile is passed over.
func TestLineIsBusy(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	var others []*client
	for i := range 3 {
		c := dial(t, s)
		c.hears(fmt.Sprintf("-- the line is busy; you are number %d of those who wait\n", i+1))
		console.hears("-- " + c.address() + " waits\n")
		c.say("later")
		others = append(others, c)
	}
	idle := dial(t, s)
	idle.skips("number 4 of those who wait\n")
	console.hears("-- " + idle.address() + " waits\n")
	require.NoError(t, idle.Close())
	console.hears("-- " + idle.address() + " has left\n")
	second := attach(t, "3 wait")
	second.hears("connected by  " + a.address() + "\n")
	second.say("hello\n")
	console.hears("to: hello\n")
	a.hears("hello")
	console.say("\n")
	a.hearsEnd()
	for _, c := range []*client{console, second} {
		c.hears("-- " + a.address() + " has left\nconnected by  " + others[0].address() + "\nlater\n")
	}
	others[0].hears("-- you are connected\n")
	require.NoError(t, others[0].Close())
	for _, c := range []*client{console, second} {
		c.hears("-- " + others[0].address() + " has left\nconnected by  " + others[1].address() + "\nlater\n")
	}
	others[1].hears("-- you are connected\n")
	began := time.Now()
	s.Stop() // also for the one that waits
	others[2].hearsEnd()
	others[1].hearsEnd()
	require.Less(t, time.Since(began), 10*time.Second)
}

// onePlace serves one client at a time: the next one hears nothing before the place is free.
func onePlace(s *framework.BaseServer) { s.Limits = &framework.Limits{Connections: 1} }

// Who leaves while what it said waits for an operator is gone at once, also where it has said
// more than can wait or stays without a word for too long.
func TestLineLeft(t *testing.T) {
	for _, mode := range []string{"half-duplex", "full-duplex"} {
		s := serveDesk(t, fmt.Sprintf(`{"mode": %q}`, mode), onePlace, func(s *framework.BaseServer) {
			s.Timeouts.Idle = 50 * time.Millisecond
		})
		const alone = "-- no operator is here; what you said waits for one\n"
		for _, leaves := range []func(*client){
			func(c *client) { require.NoError(t, c.Close()) },
			func(c *client) { c.reset() },
			func(c *client) { c.hearsEnd() },
			func(c *client) { _, _ = io.WriteString(c, strings.Repeat("x", 1<<20)) },
		} {
			c := dial(t, s)
			c.say("hello")
			c.hears(alone)
			leaves(c)
		}
		c := dial(t, s)
		c.say("hello")
		c.hears(alone)
	}
}

// What somebody said who has left is heard, out of turn, and then the next one talks.
func TestLineLeftInTurn(t *testing.T) {
	s := serveDesk(t, `{"mode": "half-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	b := dial(t, s)
	console.hears("-- " + b.address() + " waits\n")
	a.say("one")
	console.hears("from: one\n")
	a.say("two")
	require.NoError(t, a.Close())
	console.hears("from: two\n-- " + a.address() + " has left\nconnected by  " + b.address() + "\n")
}

// Who has hung up talks with the next one at once, however long the other one takes to leave.
func TestLineHangUp(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex", "rate": 0.01}`)
	console := attach(t, "nobody is connected")
	for range 20 {
		a := dial(t, s)
		console.hears("connected by  " + a.address() + "\n")
		for range 5 {
			a.say("x")
			console.hears("x\n")
		}
		a.say("too much for the rate")
		b := dial(t, s)
		console.hears("-- " + b.address() + " waits\n")
		console.say("\nhello\n")
		b.hears("-- the line is busy; you are number 1 of those who wait\n-- you are connected\nhello")
		a.hearsEnd()
		require.NoError(t, b.Close())
		console.hears("-- " + a.address() + " has left\nconnected by  " + b.address() + "\n-- " + b.address() + " has left\n")
	}
}

// Who talks faster than the rate waits, and loses nothing.
func TestLineRate(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex", "rate": 2000}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	const said = 300 << 10
	a.say(strings.Repeat("x", said))
	for heard := 0; heard < said; {
		heard += strings.Count(console.until("\n"), "x")
	}
}

// No client speaks as the line does, or as another operator.
func TestLineForged(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	for _, text := range []string{"-- ('10.0.0.1', 22) has left\n", "connected by  ('10.0.0.1', 22)\n", "to: yes\n", "\u200b\u3164-- x\n"} {
		a.say("hello\n" + text)
		console.hears("hello\nfrom: " + text)
	}
	for _, text := range []string{"--\n", "-- \u0301\n", "connected\n", " to: you\n"} {
		a.say(text)
		console.skips(text)
	}
}

// A stop does not wait for an operator.
func TestLineStop(t *testing.T) {
	s := serveDesk(t, `{"mode": "half-duplex"}`)
	a := dial(t, s)
	a.say("hello")
	a.hears("-- no operator is here; what you said waits for one\n")
	began := time.Now()
	s.Stop()
	a.hearsEnd()
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestConsoleLongLine(t *testing.T) {
	serveDesk(t, `{"mode": "full-duplex"}`)
	console := attach(t, "nobody is connected")
	console.say(strings.Repeat("x", 9000))
	console.hears("-- a line has at most 8192 bytes; this one was not sent\n")
}

// Where the operator's socket lies, and who can get at it.
func TestOperatorSocket(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	dir := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "socketserver")
	path, err := chat.FindOperator("desk")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "desk.console"), path)
	for file, mode := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), file)
	}
	second := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, `{"mode": "full-duplex"}`))
	second.Name = "desk"
	require.ErrorContains(t, second.Listen(), path+" is in use by another server")
	require.NoError(t, s.Close())
	_, err = chat.FindOperator("desk")
	require.ErrorContains(t, err, `no server "desk" of yours has an operator`)
	_, err = chat.FindOperator("../desk")
	require.EqualError(t, err, `"../desk" is no name of a server`)

	require.NoError(t, os.Chmod(dir, 0o770))
	t.Setenv("TMPDIR", t.TempDir())
	third := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, `{"mode": "full-duplex"}`))
	third.Name = "desk"
	require.NoError(t, third.Listen()) // in the other place
	path, err = chat.FindOperator("desk")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(os.TempDir(), fmt.Sprintf("socketserver-%d", os.Geteuid()), "desk.console"), path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "desk.console")})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close()) // of a server that was killed
	require.NoError(t, os.Chmod(dir, 0o700))
	alive, err := chat.FindOperator("desk")
	require.NoError(t, err)
	require.Equal(t, path, alive)
	require.NoError(t, os.Chmod(dir, 0o770))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	_, err = chat.FindOperator("desk")
	require.ErrorContains(t, err, "others can get at it; make it 0700")
	fourth := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, `{"mode": "full-duplex"}`))
	require.ErrorContains(t, fourth.Listen(), "set XDG_RUNTIME_DIR, or the option operator to a path")
	require.NoError(t, third.Close())
}

func TestOperatorOption(t *testing.T) {
	path := filepath.Join(t.TempDir(), "op")
	s := serve(t, "tcp", fmt.Sprintf(`{"mode": "half-duplex", "operator": %q}`, path))
	_, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	long := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, fmt.Sprintf(`{"mode": "half-duplex", "operator": "/%0110d"}`, 0)))
	require.ErrorContains(t, long.Listen(), "has 111 bytes and may have 103; set the option operator to a shorter path")
}
