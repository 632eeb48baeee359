package theatre

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
	"github.com/go-socketserver/socketserver/cmd/socketserver/page/feed"
)

// words are what clients of a kind have the handler of the mishaps do.
var words = map[string]string{
	"": experiment.Wait, "slow": experiment.Wait, "panic": experiment.Panic, "exit": experiment.Exit, "hang": experiment.Hang,
	"leak": fmt.Sprint(experiment.Leak, " ", leaked),
}

// leaked is the memory that a leak takes, in bytes.
const leaked = 48 << 20

func isMishap(kind string) bool { return kind != "" && kind != "slow" }

// workOf returns the time that the request of a client takes.
func workOf(kind string) time.Duration {
	between := func(from, to int) time.Duration { return time.Duration(from+rand.IntN(to-from)) * time.Millisecond }
	switch kind {
	case "":
		return between(1500, 4000)
	case "slow":
		return between(6000, 7500) // less than a request may take
	}
	return 1500 * time.Millisecond
}

// A client sends one request. The theatre's mutex guards peer and pid.
type client struct {
	n     int
	kind  string
	side  *side
	takes time.Duration

	peer string
	at   float64 // when it connected; 0: it has not
	pid  int     // of the process that serves it; 0: it waits
}

// run connects and sends the request. What comes of it the server reports, or the theatre where that
// has died.
func (c *client) run() {
	t := c.side.of
	t.mu.Lock()
	running := c.side.subject
	t.mu.Unlock()
	if running == nil {
		return
	}
	began := t.now()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { return c.bind(raw) }}
	conn, err := dialer.DialContext(t.ctx, running.Network, running.Address)
	t.mu.Lock()
	if err != nil || c.side.subject != running {
		delete(c.side.clients, c.peer)
		t.emit(feed.Event{T: t.now(), S: c.side.name, K: "refused", C: uint64(c.n), N: c.n, Why: "closed"})
		c.side.over(c.n, "refused")
		t.mu.Unlock()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	c.at = began
	t.emit(c.connected())
	t.mu.Unlock()
	defer conn.Close()
	defer context.AfterFunc(t.ctx, func() { _ = conn.Close() })()
	c.talk(conn)
}

// bind gives the client its address before it connects, so that events of the server can be matched to
// the client.
func (c *client) bind(raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) {
		if err = syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return
		}
		var at syscall.Sockaddr
		if at, err = syscall.Getsockname(int(fd)); err != nil {
			return
		}
		t := c.side.of
		t.mu.Lock()
		defer t.mu.Unlock()
		c.peer = fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
		c.side.clients[c.peer] = c
	})
	return errors.Join(failed, err)
}

// connected is the event of its connection.
func (c *client) connected() feed.Event {
	return feed.Event{T: c.at, S: c.side.name, K: "connect", C: uint64(c.n), N: c.n, Peer: c.peer, Kind: c.kind}
}

// talk has the request take its time once it is being served.
func (c *client) talk(conn net.Conn) {
	lines := bufio.NewReader(conn)
	misbehaves := handlerOf(c.side.spec) == Mishaps
	if misbehaves {
		if _, err := fmt.Fprintln(conn, words[c.kind]); err != nil {
			return
		}
		if _, err := lines.ReadString('\n'); err != nil { // ready
			return
		}
	}
	select {
	case <-time.After(c.takes):
	case <-c.side.of.ctx.Done():
		return
	}
	message := "\n"
	if !misbehaves {
		message = c.side.of.message
	}
	if _, err := io.WriteString(conn, message); err != nil {
		return
	}
	_, _ = lines.ReadString('\n')
}
