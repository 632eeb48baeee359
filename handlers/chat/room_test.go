package chat_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/handlers/chat"
)

func welcome(c *client) string  { return "欢迎" + c.address() + "来到我们的聊天室!" }
func farewell(c *client) string { return c.address() + "离开了我们的聊天室!" }

// enter connects a client, and waits until the clients there are notified. If there are none,
// another client connects for a moment: one of the two was first and is notified of the other.
func enter(t *testing.T, s *framework.BaseServer, there ...*client) *client {
	t.Helper()
	c := dial(t, s)
	for _, other := range there {
		other.hears(welcome(c))
	}
	if there == nil {
		other := dial(t, s)
		met, left := make(chan error, 2), make(chan error, 1)
		go func() { met <- other.await(c.address()) }()
		go func() {
			met <- c.await(other.address())
			left <- c.await("离开了我们的聊天室!")
		}()
		require.NoError(t, <-met)
		require.NoError(t, other.Close())
		require.NoError(t, <-left)
	}
	return c
}

// The others receive a message unchanged, and notices of arrivals and departures. Clients send
// without a newline.
func TestRoomRelays(t *testing.T) {
	s := serve(t, "tcp", "")
	a := enter(t, s)
	b := enter(t, s, a)
	c := enter(t, s, a, b)
	for _, text := range []string{"hello", "你好", "lines\r\nand\ttabs\n"} {
		a.say(text)
		b.hears(text)
		c.hears(text)
	}
	b.say("from b")
	a.hears("from b")
	c.hears("from b")

	require.NoError(t, b.Conn.(*net.TCPConn).CloseWrite())
	a.hears(farewell(b))
	c.hears(farewell(b))
	b.hearsEnd()
	c.reset()
	a.hears(farewell(c))

	d := enter(t, s, a)
	d.say("to a")
	a.hears("to a")
}

func TestRoomWithoutGreeting(t *testing.T) {
	s := serve(t, "tcp", `{"greeting": false}`)
	a, b := dial(t, s), dial(t, s)
	in, heard := make(chan struct{}), make(chan error, 2)
	for _, c := range []*client{a, b} {
		go func() { heard <- c.await("hello") }()
	}
	go func() { // until both have come and hear each other
		defer close(in)
		for n := 0; n < 2; {
			select {
			case err := <-heard:
				require.NoError(t, err)
				n++
			default:
				a.say("hello")
				b.say("hello")
			}
		}
	}()
	<-in
	c := dial(t, s)
	c.say("c")
	a.skips("c")
	require.NoError(t, c.Close())
	b.say("b")
	a.skips("b")
}

// The name of a client is written as Python writes its address.
func TestRoomAddresses(t *testing.T) {
	s := serve(t, "unix", "")
	a := dial(t, s)
	b := dial(t, s)
	heard := make(chan error, 2)
	for _, c := range []*client{a, b} { // one of them comes first
		go func() { heard <- c.await("欢迎''来到我们的聊天室!") }()
	}
	require.NoError(t, <-heard)

	v6 := framework.NewTCPServer("[::1]:0", frameworktest.Class(t, chat.Constructor, ""))
	v6.Strategy = &framework.Threading{}
	if v6.Listen() != nil {
		t.Skip("there is no IPv6")
	}
	frameworktest.Serve(t, &v6.BaseServer)
	enter(t, &v6.BaseServer)
}

// A message has no effect on the terminals of others, and characters arrive whole.
func TestRoomScreens(t *testing.T) {
	s := serve(t, "tcp", "")
	a := enter(t, s)
	b := enter(t, s, a)
	for sent, heard := range map[string]string{
		"\x1b]0;title\x07":       `\u001b]0;title\u0007`,
		"\x1b[2J":                `\u001b[2J`,
		"over\rwritten":          `over\u000dwritten`,
		"\u202egnp.exe":          `\u202egnp.exe`,
		"\u009b31m, \x9b31m":     `\u009b31m, \x9b31m`,
		"\x00\x7f\xff":           `\u0000\u007f\xff`,
		"kept: é你\u200d\t\r\n\n": "kept: é你\u200d\t\r\n\n",
	} {
		a.say(sent)
		b.hears(heard)
	}
	a.say("whole: \xe4\xbd")
	b.hears("whole: ")
	a.say("\xa0.\r")
	b.hears("你.")
	a.say("\n")
	b.hears("\r\n")
	a.say("part: \xe4\xbd")
	b.hears("part: ")
	require.NoError(t, a.Conn.(*net.TCPConn).CloseWrite())
	b.hears(`\xe4\xbd` + farewell(a))
}

func TestRoomRaw(t *testing.T) {
	s := serve(t, "tcp", `{"raw": true}`)
	a := enter(t, s)
	b := enter(t, s, a)
	for _, text := range []string{"\x1b[31mred\x1b[0m\r", "\xff\xfe\x00", "\u202e"} {
		a.say(text)
		b.hears(text)
	}
}

// A line of whatever length is relayed in parts.
func TestRoomLongLine(t *testing.T) {
	s := serve(t, "tcp", "")
	a := enter(t, s)
	b := enter(t, s, a)
	long := strings.Repeat("你", 100_000)
	go io.WriteString(a, long+"\n")
	b.hears(long + "\n")
}

// A newcomer receives the last messages, each of them once.
func TestRoomHistory(t *testing.T) {
	s := serve(t, "tcp", `{"history": 2}`)
	a := enter(t, s)
	b := enter(t, s, a)
	for _, text := range []string{"one.", "two.", "three."} {
		a.say(text)
		b.hears(text)
	}
	c := enter(t, s, a, b)
	c.hears("two.three.")
	a.say("four.")
	b.hears("four.")
	c.hears("four.")
	d := enter(t, s, a, b, c)
	d.hears("three.four.")
}

// A newcomer that reads slowly receives the history, of long messages the last 64 KiB, and later messages.
func TestRoomLongHistory(t *testing.T) {
	s := serve(t, "tcp", `{"commands": true, "history": 1000, "queue": 2, "slow": "disconnect"}`)
	a := dial(t, s)
	a.skips("/help lists the commands\n")
	text := "/me " + strings.Repeat("x", 4000) + "\n"
	for range 1000 { // more than a socket takes
		a.say(text)
	}
	a.say("/names\n")
	a.skips("guest1\n")
	slow := dial(t, s)
	require.NoError(t, slow.Conn.(*net.TCPConn).SetReadBuffer(64<<10))
	a.skips("欢迎guest2来到我们的聊天室!\n")
	a.say("/me waves\n/names\n")
	a.skips("guest1, guest2\n") // what a said before has been delivered
	require.NoError(t, slow.Conn.(*net.TCPConn).SetReadBuffer(4<<20))
	slow.skips("/help lists the commands\n")
	slow.hears("-- earlier messages are left out\n")
	slow.hears(strings.Repeat("* guest1 "+text[len("/me "):], 16))
	slow.hears("* guest1 waves\n")
}

// A client that does not read misses messages, and delays no other.
func TestRoomSlow(t *testing.T) {
	for _, slow := range []string{"drop", "disconnect"} {
		t.Run(slow, func(t *testing.T) { testRoomSlow(t, slow) })
	}
}

func testRoomSlow(t *testing.T, slow string) {
	s := serve(t, "tcp", fmt.Sprintf(`{"queue": 16, "slow": %q}`, slow))
	a := enter(t, s)
	b := enter(t, s, a)
	deaf := enter(t, s, a, b)
	require.NoError(t, deaf.Conn.(*net.TCPConn).SetReadBuffer(64<<10)) // or the system would choose how much it takes
	burst, heard := strings.Repeat("x", 64<<10), make([]byte, 64<<10)
	began, said := time.Now(), 0
	for ; said < 12<<20; said += len(burst) { // more than its socket takes
		a.say(burst)
		_, err := io.ReadFull(b.rfile, heard)
		require.NoError(t, err)
		if strings.Contains(string(heard), "离开") {
			break // it was cut off
		}
	}
	require.Less(t, time.Since(began), 10*time.Second)
	if slow == "disconnect" {
		require.Less(t, said, 12<<20, "it was not cut off")
		return
	}
	deaf.skips("\n-- you read too slowly: ")
	deaf.skips("messages were left out\n")
	a.say("now\n")
	deaf.hears("now\n")
}

// A client that exceeds the rate is delayed, and loses nothing.
func TestRoomRate(t *testing.T) {
	s := serve(t, "tcp", `{"rate": 100}`)
	a := enter(t, s)
	b := enter(t, s, a)
	began := time.Now()
	for range 25 {
		a.say("x")
		b.hears("x")
	}
	require.GreaterOrEqual(t, time.Since(began), 190*time.Millisecond, "20 after the burst")
	b.say("b need not wait")
	a.hears("b need not wait")
}

func TestRoomReset(t *testing.T) {
	s := serve(t, "tcp", "")
	a := enter(t, s)
	b := enter(t, s, a)
	b.say("\xe4")
	b.reset()
	a.hears(farewell(b))
	c := enter(t, s, a)
	c.say("still here")
	a.hears("still here")
}

// A stop does not wait for a client that exceeds the rate.
func TestRoomRateStop(t *testing.T) {
	s := serve(t, "tcp", `{"rate": 0.01}`)
	a := enter(t, s)
	b := enter(t, s, a)
	for range 5 {
		a.say("x")
		b.hears("x")
	}
	a.say("waits")
	b.say("meanwhile")
	a.hears("meanwhile")
	began := time.Now()
	s.Stop()
	_, _ = io.Copy(io.Discard, b) // which may hear that the other one has left
	_, _ = io.Copy(io.Discard, a)
	require.Less(t, time.Since(began), 10*time.Second)
}
