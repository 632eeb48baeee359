package main

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// hold has a client, or some, say what they have to say.
func (s *shippedServers) hold(t *testing.T, kind string, row programRow, here place) {
	if row.program == "timestamp_ipv6" && families() == 1 {
		t.Skip("there is no IPv6")
	}
	port := s.ports[here]
	require.NotEmpty(t, port, "servers.hcl has no %v", here)
	require.Contains(t, conversations, row.program)
	conversations[row.program](&scene{shippedServers: s, kind: kind, row: row, here: here, port: port}, t)
}

// join starts another client.
func (s *scene) join(t *testing.T) *person {
	t.Helper()
	if !s.python() {
		return sit(t, exec.Command("socketserver", append([]string{"connect"}, s.row.arguments(t, s.port)...)...), look{})
	}
	command := exec.Command("python3", "-u", "testdata/clients.py", s.row.program, "localhost", s.port)
	command.Env = s.environment
	p := sit(t, command, looks[s.row.program])
	if strings.HasSuffix(s.row.program, "_asking") {
		usual := p.look
		p.look = look{prompt: "HOST>"}
		p.says(t, "localhost")
		p.look = look{prompt: "PORT>"}
		p.says(t, s.port)
		p.look = usual
	}
	return p
}

// exchange asks and requires the answers.
func (s *scene) exchange(t *testing.T, answers ...string) {
	t.Helper()
	p := s.join(t)
	for i := 0; i < len(answers); i += 2 {
		p.says(t, answers[i])
		p.hears(t, answers[i+1])
	}
	require.Zero(t, p.leaves(t))
}

func (s *scene) timestamps(t *testing.T) {
	long := strings.Repeat("x", 900)
	s.exchange(t, "hello", "[DATE] hello", "你好", "[DATE] 你好", long, "[DATE] "+long)
	first, second := s.join(t), s.join(t) // who does not wait for the first
	second.says(t, "hello")
	second.hears(t, "[DATE] hello")
	require.Zero(t, second.leaves(t))
	require.Zero(t, first.leaves(t))
}

func (s *scene) timestampLines(t *testing.T) {
	ending := "\r\n"
	if s.python() {
		ending = "" // is not shown
	}
	s.exchange(t, "hello", "[DATE] hello"+ending, "你好", "[DATE] 你好"+ending)
}

func (s *scene) echo(t *testing.T) {
	p := s.join(t)
	if s.python() {
		p.hears(t, "Received b'Hello, world'\n")
		require.Zero(t, p.ends(t))
		return
	}
	_, err := p.in.Write([]byte("Hello, world"))
	require.NoError(t, err)
	require.NoError(t, p.in.Close())
	p.hears(t, "Hello, world")
	require.Zero(t, p.ends(t))
}

func (s *scene) commands(t *testing.T) {
	s.exchange(t,
		"time", "[DATE]",
		"date", "[DATE]",
		"os", "[posix]",
		"ls", "directory\nservers.hcl",
		"ls directory", "empty",
		"ls directory and more", "empty",
		"ls directory/empty", "(empty)",
		"ls nowhere", "not exist path",
		"ls servers.hcl", "not exist path",
		"ls ../..", "not exist path",
		"LS", "this is no orderLS",
		"你好", "this is no order你好",
	)
}

func (s *scene) hello(t *testing.T) {
	s.exchange(t, "hello", "Hi,you send me :[DATE] hello", "你好", "Hi,you send me :[DATE] 你好")
}

// quit ends no more than the client's own connection, in whatever way it leaves.
func (s *scene) quit(t *testing.T) {
	const from = "127.0.0.1发送给我的信息是:"
	for _, word := range []string{"quit", "QuIt"} {
		p := s.join(t)
		p.says(t, "hello")
		p.hears(t, from+"hello")
		if s.python() {
			_, err := p.in.Write([]byte(word + "\n"))
			require.NoError(t, err)
			p.sees(t, p.prompt+formatted(p.echoed, word))
			require.Zero(t, p.ends(t))
			continue
		}
		p.says(t, word)
		p.hears(t, from+word)
		require.Zero(t, p.leaves(t))
	}
	s.exchange(t, "quit it", from+"quit it")
}

func (s *scene) sink(t *testing.T) {
	const message = "hello,this is a test info !"
	p, status := s.join(t), 0
	if !s.python() {
		_, err := p.in.Write([]byte(message))
		require.NoError(t, err)
		require.NoError(t, p.in.Close())
		status = 4 // as nobody answers
	}
	require.Equal(t, status, p.ends(t))
	e := s.await(t, "received", event{"server": "sink"})
	require.Equal(t, message, strings.Trim(e["data"].(string), `"`))
}

// A consoleUser is an operator at a console in a terminal.
type consoleUser struct {
	*window
	t    *testing.T
	seen []string
}

func (s *scene) operator(t *testing.T) *consoleUser {
	t.Helper()
	command := exec.Command("socketserver", "console", s.here.server)
	command.Env = s.environment
	o := &consoleUser{window: newWindow(t, command, 120, 24), t: t}
	o.sees("-- you are the operator of " + s.here.server + ", " + s.here.server + "; an empty line hangs up; nobody is connected")
	return o
}

// sees waits for lines above the prompt, after those that there were.
func (o *consoleUser) sees(lines ...string) {
	o.t.Helper()
	o.seen = append(o.seen, lines...)
	o.AwaitGeneral(general, 4, append(o.seen[:len(o.seen):len(o.seen)], "to:")...)
}

func (o *consoleUser) says(line string) {
	o.t.Helper()
	o.Type(line + "\r")
	o.sees("to: " + line)
}

func (o *consoleUser) leaves() {
	o.t.Helper()
	o.Type("\x04")
	require.Zero(o.t, o.Exit())
}

const (
	busy = "-- the line is busy; you are number 1 in the queue\n"
	turn = "-- you are connected\n"
)

// The two speak in turns.
func (s *scene) halfDuplex(t *testing.T) {
	o := s.operator(t)
	first := s.join(t)
	o.sees("connected by  ADDR")
	first.says(t, "你好")
	o.sees("from: 你好")
	o.says("hello")
	first.hears(t, "hello")
	second := s.join(t)
	o.sees("-- ADDR waits")
	require.Zero(t, first.leaves(t))
	o.sees("-- ADDR has left", "connected by  ADDR")
	second.says(t, "me too")
	o.sees("from: me too")
	second.hears(t, busy+turn)
	if !s.python() { // which has taken that for the answer
		o.says("welcome")
		second.hears(t, "welcome")
	}
	require.Zero(t, second.leaves(t))
	o.sees("-- ADDR has left")
	o.leaves()
}

// The two speak as they like.
func (s *scene) fullDuplex(t *testing.T) {
	o := s.operator(t)
	first := s.join(t)
	o.sees("connected by  ADDR")
	o.says("who is there?")
	first.hears(t, "who is there?")
	first.says(t, "我")
	o.sees("我")
	first.says(t, "again")
	o.sees("again")
	second := s.join(t)
	second.hears(t, busy)
	o.sees("-- ADDR waits")
	require.Zero(t, first.leaves(t))
	o.sees("-- ADDR has left", "connected by  ADDR")
	second.hears(t, turn)
	o.says("next")
	second.hears(t, "next")
	require.Zero(t, second.leaves(t))
	o.sees("-- ADDR has left")
	o.leaves()
}

func (s *scene) room(t *testing.T) {
	w := witness(t, s.port)
	alice := s.join(t)
	w.hears(t, welcome)
	bob := s.join(t)
	alice.hears(t, welcome)
	w.hears(t, welcome)
	bob.says(t, "大家好")
	alice.hears(t, "大家好")
	alice.says(t, "hello")
	bob.hears(t, "hello")
	require.Zero(t, bob.leaves(t))
	alice.hears(t, farewell)
	require.Zero(t, alice.leaves(t))
	w.hears(t, "大家好")
	w.hears(t, "hello")
	w.hears(t, farewell)
	w.hears(t, farewell)
}

func (s *scene) pairs(t *testing.T) {
	alice := s.introduce(t, "name:alice to:bob")
	s.await(t, "client named", event{"name": "alice", "to": "bob"})
	alice.says(t, "有人吗")
	alice.hears(t, "请等待对方上线")
	bob := s.introduce(t, "name:bob to:alice")
	s.await(t, "client named", event{"name": "bob", "to": "alice"})
	alice.says(t, "hello")
	bob.hears(t, "hello")
	bob.says(t, "你好")
	alice.hears(t, "你好")
	s.introduce(t, "name:carol to:alice").hears(t, "对方正在聊天,您的请求拒绝连接")
	s.introduce(t, "carol").hears(t, "您的输入有误")
	require.Zero(t, bob.leaves(t))
	alice.hears(t, "请等待对方上线")
	require.Zero(t, alice.leaves(t))
}

// introduce starts a client that says first who it is.
func (s *scene) introduce(t *testing.T, settings string) *person {
	t.Helper()
	p := s.join(t)
	if s.python() {
		p.sees(t, "请输入你的姓名和对方的姓名(格式name:你的姓名 to:对方姓名)\n")
	}
	usual := p.look
	p.look = look{}
	p.says(t, settings)
	p.look = usual
	return p
}

// mishaps are clients that are left open, that reset their connections and whose bytes are
// no text. Others do not notice.
func (s *shippedServers) mishaps(t *testing.T) {
	for _, here := range []place{
		{"timestamp", "tcp", "21567"},
		{"timestamp-line", "tcp", "21566"},
		{"hello", "tcp", "12345"},
		{"quit", "tcp", "1122"},
		{"command", "tcp", "50006"},
		{"echo", "tcp", "50007"},
	} {
		l := listener{here.server, here.network, net.JoinHostPort("localhost", s.ports[here])}
		dial(t, l)
		reset := dial(t, l).(*net.TCPConn)
		require.NoError(t, reset.SetLinger(0))
		frameworktest.Send(t, reset, "hello\n")
		require.NoError(t, reset.Close())
		require.Contains(t, askOnce(t, l, "\xff\x00\xfe\n"), "\xff\x00\xfe")
	}
}
