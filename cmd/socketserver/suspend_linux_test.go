package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// suspendable are the networks whose sockets can be suspended.
var suspendable = []string{"unix", "tcp", "unixpacket", "udp", "unixgram"}

// addressOf returns an address of a network that is unused. One of tcp has a port, which another server can have;
// a socket whose port the system has chosen has another one when it listens again.
func addressOf(t *testing.T, network string) string {
	t.Helper()
	switch network {
	case "tcp":
		return frameworktest.Address(t, network)
	case "udp":
		return "127.0.0.1:0"
	}
	return filepath.Join(t.TempDir(), "s")
}

// requireUnserved requires that clients are refused or, of datagrams, get no answer: the latter passes too
// easily on a slow machine.
func requireUnserved(t *testing.T, l listener) {
	t.Helper()
	if l.network != "udp" && l.network != "unixgram" {
		requireRefused(t, l)
		return
	}
	conn := dial(t, l)
	_, err := conn.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// A suspended server stays suspended when an upgrade fails, and when one succeeds, also by the end of the
// old process. It can be resumed then, and another server that gets its address serves.
func TestUpgradeOfSuspendedServer(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	for _, network := range suspendable[:often(2, 5)] {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			address := addressOf(t, network)
			text := strings.NewReplacer(`"tcp"`, fmt.Sprintf("%q", network), "127.0.0.1:0", address).Replace(timestamps(`"threading" {}`, "", ""))
			r := reloadable(t, text)
			l := r.listeners[0]
			requireEchoOf(t, l)
			r.do(t, "suspend", "s")
			other := strings.NewReplacer(`"s"`, `"other"`, "127.0.0.1:0", busy.Addr().String()).Replace(timestamps(`"threading" {}`, "", ""))
			r.write(t, text+other)
			require.Contains(t, r.refuse(t, "upgrade"), "in use")
			requireUnserved(t, l)
			require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "resume", "s"))
			requireEchoOf(t, l)

			r.do(t, "suspend", "s")
			r.write(t, text)
			r.upgrade(t)
			r.await(t, "every server has stopped")
			requireUnserved(t, l)
			require.Equal(t, "s is suspended\n", r.refuse(t, "status", "--ready"))
			require.Equal(t, "s is serving, 0 requests under way\n", r.do(t, "resume", "s"))
			requireEchoOf(t, l)

			r.do(t, "suspend", "s")
			r.write(t, strings.Replace(text, `"s"`, `"other"`, 1))
			pid := r.upgrade(t)
			require.Empty(t, r.do(t, "status", "--ready"))
			if network != "udp" { // whose port another server does not have
				requireEchoOf(t, l)
			}
			r.do(t, "suspend", "other")
			require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
			r.exit(t)
			for _, suffix := range []string{"", ".lock", ".suspended"} {
				require.NoFileExists(t, address+suffix)
			}
		})
	}
}

// A server is not suspended while another process takes over, which would not know of that.
func TestSuspendDuringUpgrade(t *testing.T) {
	t.Parallel()
	r := reloadable(t, timestamps(`"threading" {}`, "", ""))
	gate := filepath.Join(t.TempDir(), "gate")
	require.NoError(t, syscall.Mkfifo(gate, 0o600))
	next, suspended := make(chan int), make(chan string)
	go func() {
		next <- r.upgrade(t, "--to", script(t, "echo at the gate >&2\nread go < "+gate+"\nexec socketserver \"$@\"\n"))
	}()
	r.awaitText(t, "at the gate")
	go func() { suspended <- r.refuse(t, "suspend", "s") }()
	r.await(t, "admin request", event{"request": "POST /v1/servers/s/suspend"})
	require.NoError(t, os.WriteFile(gate, []byte("go\n"), 0))
	frameworktest.Await(t, next)
	require.Contains(t, frameworktest.Await(t, suspended), `server "s" is `)
	require.Empty(t, r.do(t, "status", "--ready"))
	requireEchoOf(t, r.listeners[0])
}

// What a server that was killed while it was suspended has left behind is no trouble for the next one.
func TestSuspendedServerIsKilled(t *testing.T) {
	for _, network := range []string{"unix", "unixpacket"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			path := addressOf(t, network)
			r := reloadable(t, strings.NewReplacer(`"tcp"`, fmt.Sprintf("%q", network), "127.0.0.1:0", path).Replace(timestamps(`"threading" {}`, "", "")))
			r.do(t, "suspend", "s")
			require.FileExists(t, path+".suspended")
			require.NoError(t, r.Process.Kill())
			frameworktest.Await(t, r.ended)
			_, listeners := serveArgs(t, "-c", r.file)
			require.NoFileExists(t, path+".suspended")
			requireEchoOf(t, listeners[0])
		})
	}
}

// The socket of a service manager stays suspended by an upgrade, too. When the server is killed the manager
// keeps the socket, and the next server serves it.
func TestSuspendedServerIsActivatedAgain(t *testing.T) {
	for _, network := range []string{"tcp", "udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			socket := open(t, "web", network, addressOf(t, network))
			again, err := syscall.Dup(int(socket.file.Fd()))
			require.NoError(t, err)
			admin := filepath.Join(t.TempDir(), "admin.sock")
			text := fmt.Sprintf("admin { socket = %q }\n", admin) + strings.NewReplacer(`"tcp"`, fmt.Sprintf("%q", network), "127.0.0.1:0", "fd/web").Replace(timestamps(`"threading" {}`, "", ""))
			r := &reloader{process: activate(t, text, socket), socket: admin}
			l := r.awaitListening(t)[0]
			r.do(t, "suspend", "s")
			requireUnserved(t, l)
			pid := r.upgrade(t)
			r.await(t, "every server has stopped")
			requireUnserved(t, l)
			require.Equal(t, "s is suspended\n", r.refuse(t, "status", "--ready"))
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			frameworktest.Await(t, r.ended)
			socket.file = os.NewFile(uintptr(again), "web")
			requireEchoOf(t, activate(t, text, socket).awaitListening(t)[0])
		})
	}
}
