package main

import (
	"bufio"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A room has people on a web page, at a terminal and behind a plain connection. The page is that of
// docs/websocket.md, in node.
func TestRoomWithAPage(t *testing.T) {
	_, listeners := serveFile(t, `
server "room" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "websocket" {
    address = "127.0.0.1:0"
    path    = "/chat"
  }
  concurrency "threading" {}
  handler "chat" {}
}
`)
	plain := dial(t, listeners[0])
	web := "ws://" + listeners[1].address + "/chat"
	terminal := exec.Command("socketserver", "connect", web)
	typed, err := terminal.StdinPipe()
	require.NoError(t, err)
	var shown strings.Builder
	terminal.Stdout = &shown
	require.NoError(t, terminal.Start())
	_, err = typed.Write([]byte("from a terminal\n"))
	require.NoError(t, err)
	others := bufio.NewReader(plain)
	hears := func(said string) {
		require.NoError(t, plain.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
		for line := ""; !strings.Contains(line, said); {
			line, err = others.ReadString('\n')
			require.NoError(t, err)
		}
	}
	hears("from a terminal\n")
	frameworktest.Send(t, plain, "from a socket\n")
	if node, err := exec.LookPath("node"); err == nil {
		page := exec.Command(node, "--experimental-websocket", "-e", `
			const room = new WebSocket(process.argv[1])
			room.onmessage = e => { console.log(e.data); if (e.data.includes('hello page')) room.close() }
			room.onopen = () => room.send('from a page')
			room.onclose = e => console.log(e.wasClean)`, web)
		lines, err := page.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, page.Start())
		hears("from a page\n")
		frameworktest.Send(t, plain, "hello page\n")
		out, err := io.ReadAll(lines)
		require.NoError(t, err)
		require.Regexp(t, `hello page\ntrue\n$`, string(out))
		require.NoError(t, page.Wait())
	}
	require.NoError(t, typed.Close())
	require.NoError(t, terminal.Wait())
	require.Contains(t, shown.String(), "from a socket\n")
}
