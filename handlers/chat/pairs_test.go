package chat_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

const (
	refused    = "对方正在聊天,您的请求拒绝连接"
	waiting    = "请等待对方上线"
	inputError = "您的输入有误"
)

const pairs = `{"mode": "pairs"}`

// introduce connects a client that sends its settings.
func introduce(t *testing.T, s *framework.BaseServer, settings string) *client {
	t.Helper()
	c := dial(t, s)
	c.say(settings)
	return c
}

// alone waits until c is in and has no partner.
func (c *client) alone() *client {
	c.t.Helper()
	c.say("anybody?")
	c.hears(waiting)
	return c
}

// pair connects two clients that talk with each other.
func pair(t *testing.T, s *framework.BaseServer, a, b string) (*client, *client) {
	t.Helper()
	first := introduce(t, s, "name:"+a+" to:"+b+"\n").alone()
	second := introduce(t, s, "name:"+b+" to:"+a+"\n")
	talk(second, first)
	talk(first, second)
	return first, second
}

func talk(from, to *client) {
	from.t.Helper()
	from.say("hello")
	to.hears("hello")
}

func TestPair(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		s := serve(t, network, pairs)
		a, b := pair(t, s, "a", "b")
		c, d := pair(t, s, "c", "d")
		a.say("你好\r\n")
		b.hears("你好\r\n")
		talk(c, d)
		talk(b, a)
		a.say("\x1b[2J")
		b.hears(`\u001b[2J`)
	}
}

// Clients that send without a newline: what has come is all there is.
func TestPairWithoutNewline(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a, b := introduce(t, s, "name:a to:b"), introduce(t, s, "name:b to:a\n")
	heard, again := make(chan error, 1), make(chan error)
	go func() { heard <- a.await("hello") }()
	go func() {
		defer close(again)
		for b.await(waiting) == nil {
			again <- nil // a was not in yet
		}
	}()
	b.say("hello")
	for in := false; !in; {
		select {
		case <-again:
			b.say("hello")
		case err := <-heard:
			require.NoError(t, err)
			in = true
		}
	}
	b.say("more")
	a.skips("more")
	require.NoError(t, a.Close())
	<-again // notified that a has left
	require.NoError(t, b.Close())
	_, open := <-again
	require.False(t, open)
}

// Each message to an absent partner is answered, and dropped.
func TestPairAlone(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a := introduce(t, s, "name:a to:b\n").alone().alone()
	b := introduce(t, s, "name:b to:a\n")
	b.say("hello")
	a.hears("hello")
}

// A client that names one of a pair is refused, and so is a second client of a name. The pair
// is not affected.
func TestPairRefused(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a, b := pair(t, s, "a", "b")
	for _, settings := range []string{"name:c to:a", "name:c to:b", "name:b to:c", "name:b to:a", "name:a to:b\nmore"} {
		c := introduce(t, s, settings)
		c.hears(refused)
		c.hearsEnd()
		talk(a, b)
		talk(b, a)
	}
	introduce(t, s, "name:c to:d\n").alone()
}

// Anything that cannot become settings is refused at once.
func TestPairInputError(t *testing.T) {
	s := serve(t, "tcp", `{"mode": "pairs", "settings_timeout": "0"}`)
	for _, settings := range []string{
		"hello", "n\n", "Name:a to:b", "name:a\n", "name: to:b\n", "name:a to:\n", "name:ato:b\n", "\n", "name:a to:a", "name:b c to:b c\n", "name:a to: a\n", "name:  to:b\n", "name:a to: \n",
	} {
		c := introduce(t, s, settings)
		c.hears(inputError)
		c.hearsEnd()
	}
	long := make([]byte, 4096)
	copy(long, "name:")
	for i := len("name:"); i < len(long); i++ {
		long[i] = 'x'
	}
	c := introduce(t, s, string(long))
	c.hears(inputError)
	c.hearsEnd()

	c = introduce(t, s, "name:a t")
	require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	c.hears(inputError)
	c.hearsEnd()
}

// The settings come in pieces, or with the first message.
func TestPairPieces(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a := introduce(t, s, "name:a to:b\n").alone()
	b := dial(t, s)
	for _, piece := range []string{"na", "me:", "b t", "o:", "a\r", "\nfirst"} {
		b.say(piece)
	}
	a.skips("first")
	talk(a, b)

	c := introduce(t, s, "name:c d to:e f\n").alone()
	e := introduce(t, s, "name:e f to:c d\nhello\n")
	c.hears("hello\n")
	talk(c, e)

	g := introduce(t, s, "name: g\t  to: h \n").alone() // blanks around names are not theirs
	h := introduce(t, s, "name:h to:g\n")
	talk(h, g)

	introduce(t, s, "name:x to:y to:z\n").alone() // the last to: counts
	again := introduce(t, s, "name:x to:y to:w\n")
	again.hears(refused)
}

// A silent client is refused in time, and delays no other.
func TestPairSettingsTimeout(t *testing.T) {
	s := serve(t, "tcp", `{"mode": "pairs", "settings_timeout": "50ms"}`)
	silent := dial(t, s)
	slow := introduce(t, s, "name:slow to")
	pair(t, s, "a", "b")
	for _, c := range []*client{silent, slow} {
		c.hears(inputError)
		c.hearsEnd()
	}
	began := time.Now()
	a := introduce(t, s, "name:a2 to:b2\n")
	for time.Since(began) < 100*time.Millisecond {
		a.alone() // the limit is for the settings
	}
}

// The partner of a client that leaves is notified, and the name is free again.
func TestPairLeaves(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a, b := pair(t, s, "a", "b")
	a.reset()
	b.hears(waiting)
	b.alone()

	c := introduce(t, s, "name:c to:b") // the place is kept
	c.hears(refused)
	c.hearsEnd()

	a = introduce(t, s, "name:a to:b\n")
	talk(a, b)
	talk(b, a)
	require.NoError(t, b.Close())
	a.hears(waiting)
	require.NoError(t, a.Close())
	b = introduce(t, s, "name:b to:c\n").alone()
	c = introduce(t, s, "name:c to:b\n")
	talk(c, b)
}

// A waiting client does not hear one that it has not named.
func TestPairNotMutual(t *testing.T) {
	s := serve(t, "tcp", pairs)
	a := introduce(t, s, "name:a to:b\n").alone()
	c := introduce(t, s, "name:c to:a\n").alone()
	b := introduce(t, s, "name:b to:a\n")
	talk(b, a)
	talk(a, b)
	c.alone()
}
