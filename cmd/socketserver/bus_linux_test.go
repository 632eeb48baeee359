package main

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/internal/natsclient/natstest"
)

// Workers of preforking, children of forking and threads share a room over a bus.
func TestBus(t *testing.T) {
	nats := natstest.Serve(t, &natsserver.Options{Username: "u", Password: "canary", JetStream: true, StoreDir: t.TempDir()})
	text := ""
	for _, concurrency := range []string{"preforking", "forking", "threading"} {
		text += fmt.Sprintf(`
server %q {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency %q {}
  handler "chat" {
    commands = true
    bus      = env("CHAT_BUS")
  }
}
`, concurrency, concurrency)
	}
	t.Setenv("CHAT_BUS", fmt.Sprintf("nats://u:canary@%s", nats.Addr()))
	p, listeners := serveFile(t, text)
	require.Len(t, listeners, 3)
	enter := func(l listener) (lines *bufio.Reader, name string) {
		lines = bufio.NewReader(dial(t, l))
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		return lines, strings.Fields(line)[3] // -- you are NAME in the room lobby
	}
	first, _ := enter(listeners[0])
	for _, l := range listeners {
		_, name := enter(l)
		line, err := first.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "欢迎"+name+"来到我们的聊天室!\n", line)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		require.NotContains(t, fmt.Sprint(e), "canary")
	}
}
