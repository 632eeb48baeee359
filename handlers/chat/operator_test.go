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
	"github.com/go-socketserver/socketserver/handlers/chat/operator"
)

// serveDesk starts a server called desk with a runtime directory of its own.
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
	path, err := operator.Find("desk")
	require.NoError(t, err)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return newClient(t, conn)
}

// attach connects a console, and waits for its first notice.
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
	a.hears("-- no operator is here; your messages wait for one\n")
	console = attach(t, "nobody else waits")
	console.hears("connected by  " + a.address() + "\nstill here\n")
}

// Other clients are queued and notified; one that leaves is skipped.
func TestQueue(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	console := attach(t, "nobody is connected")
	a := dial(t, s)
	console.hears("connected by  " + a.address() + "\n")
	var others []*client
	for i := range 3 {
		c := dial(t, s)
		c.hears(fmt.Sprintf("-- the line is busy; you are number %d in the queue\n", i+1))
		console.hears("-- " + c.address() + " waits\n")
		c.say("later")
		others = append(others, c)
	}
	idle := dial(t, s)
	idle.skips("number 4 in the queue\n")
	console.hears("-- " + idle.address() + " waits\n")
	require.NoError(t, idle.Close())
	console.hears("-- " + idle.address() + " has left\n")
	second := attach(t, "3 in the queue")
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

// onePlace serves one client at a time: the next one receives nothing before the place is free.
func onePlace(s *framework.BaseServer) { s.Limits = &framework.Limits{Connections: 1} }

// A client that leaves, sends too much or is idle for too long while its messages wait for an
// operator frees its place at once.
func TestPendingClientLeaves(t *testing.T) {
	for _, mode := range []string{"half-duplex", "full-duplex"} {
		s := serveDesk(t, fmt.Sprintf(`{"mode": %q}`, mode), onePlace, func(s *framework.BaseServer) {
			s.Timeouts.Idle = 50 * time.Millisecond
		})
		const alone = "-- no operator is here; your messages wait for one\n"
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

// Messages of a client that has left are shown, out of turn, and then the next one is connected.
func TestMessagesOfClientThatLeft(t *testing.T) {
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

// After hanging up the operator has the next client at once, even if the last one leaves late.
func TestHangUp(t *testing.T) {
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
		b.hears("-- the line is busy; you are number 1 in the queue\n-- you are connected\nhello")
		a.hearsEnd()
		require.NoError(t, b.Close())
		console.hears("-- " + a.address() + " has left\nconnected by  " + b.address() + "\n-- " + b.address() + " has left\n")
	}
}

// A client that exceeds the rate is delayed, and loses nothing.
func TestOperatorRate(t *testing.T) {
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

// A client cannot forge a notice, or a line of another operator.
func TestForgedNotice(t *testing.T) {
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
func TestStopWithoutOperator(t *testing.T) {
	s := serveDesk(t, `{"mode": "half-duplex"}`)
	a := dial(t, s)
	a.say("hello")
	a.hears("-- no operator is here; your messages wait for one\n")
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

// The operator's socket is in a directory that only its user can access.
func TestOperatorSocket(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	dir := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "socketserver")
	path, err := operator.Find("desk")
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
	_, err = operator.Find("desk")
	require.ErrorContains(t, err, `no server "desk" of yours has an operator`)
	_, err = operator.Find("../desk")
	require.ErrorContains(t, err, `no server "../desk" of yours has an operator`)

	require.NoError(t, os.Chmod(dir, 0o770))
	t.Setenv("TMPDIR", t.TempDir())
	third := frameworktest.NewServer(t, "tcp", frameworktest.Class(t, chat.Constructor, `{"mode": "full-duplex"}`))
	third.Name = "desk"
	require.NoError(t, third.Listen()) // in the other place
	path, err = operator.Find("desk")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(os.TempDir(), fmt.Sprintf("socketserver-%d", os.Geteuid()), "desk.console"), path)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "desk.console")})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close()) // of a server that was killed
	require.NoError(t, os.Chmod(dir, 0o700))
	alive, err := operator.Find("desk")
	require.NoError(t, err)
	require.Equal(t, path, alive)
	require.NoError(t, os.Chmod(dir, 0o770))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o755))
	_, err = operator.Find("desk")
	require.ErrorContains(t, err, "others have access; make it 0700")
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

// One console more than the maximum is refused until another one ends.
func TestConsolesAreBounded(t *testing.T) {
	serveDesk(t, `{"mode": "full-duplex"}`)
	var consoles []*client
	for range 16 {
		consoles = append(consoles, attach(t, "nobody is connected"))
	}
	for range 3 {
		refused := dialOperator(t)
		refused.hears("-- this server has 16 consoles, and no room for more\n")
		refused.hearsEnd()
	}
	require.NoError(t, consoles[0].Conn.(*net.UnixConn).CloseWrite())
	consoles[0].hearsEnd()
	for refused := true; refused; { // until its request has ended
		refused = !strings.Contains(dialOperator(t).until("\n"), "you are the operator")
	}
}
