package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A passed socket is one that a test hands to a server as systemd does.
type passed struct {
	name, network, address string
	file                   *os.File
}

// A descriptor is what package net has of a socket.
type descriptor interface {
	io.Closer
	File() (*os.File, error)
}

// open opens a socket.
func open(t *testing.T, name, network, address string) passed {
	t.Helper()
	var socket descriptor
	var at net.Addr
	switch network {
	case "udp", "unixgram":
		c, err := (&net.ListenConfig{}).ListenPacket(t.Context(), network, address)
		require.NoError(t, err)
		at, socket = c.LocalAddr(), c.(descriptor)
	default:
		l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
		require.NoError(t, err)
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
		at, socket = l.Addr(), l.(descriptor)
	}
	file, err := socket.File()
	require.NoError(t, err)
	require.NoError(t, socket.Close())
	return passed{name, network, at.String(), file}
}

// activate starts a server of a configuration with sockets that are open.
func activate(t *testing.T, text string, sockets ...passed) *process {
	t.Helper()
	command := exec.Command("sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh", "socketserver", "serve", "-c", write(t, "servers.hcl", text))
	var names []string
	for _, s := range sockets {
		names = append(names, s.name)
		command.ExtraFiles = append(command.ExtraFiles, s.file)
	}
	command.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	p := start(t, t.TempDir(), command)
	for _, s := range sockets {
		require.NoError(t, s.file.Close())
	}
	return p
}

// TestActivation has each strategy serve sockets that are open, which it finds by their address
// or by their name.
func TestActivation(t *testing.T) {
	for _, network := range []string{"tcp", "udp", "unix", "unixgram"} {
		for _, strategy := range []string{"threading", "forking", "preforking"} {
			for _, by := range []string{"address", "name"} {
				t.Run(strings.Join([]string{network, strategy, by}, "/"), func(t *testing.T) {
					t.Parallel()
					address := "127.0.0.1:0"
					if strings.HasPrefix(network, "unix") {
						address = filepath.Join(t.TempDir(), "s")
					}
					socket := open(t, "web", network, address)
					written := socket.address
					if by == "name" {
						written = "fd/web"
					}
					p := activate(t, fmt.Sprintf(`server "s" {
						transport %q { address = %q }
						concurrency %q {}
						handler "echo" {}
					}`, network, written, strategy), socket)
					listeners := p.awaitListening(t)
					require.Equal(t, []listener{{"s", network, socket.address}}, listeners)
					requireEcho(t, listeners[0])
					p.signal(t, syscall.SIGTERM)
					require.Equal(t, 0, p.exit(t))
					if strings.HasPrefix(network, "unix") {
						require.FileExists(t, socket.address, "the file belongs to who has made it")
					}
				})
			}
		}
	}
}

// A socket of the IPv6 wildcard is also that of IPv4, as systemd opens it.
func TestActivationOfBothFamilies(t *testing.T) {
	if families() < 2 {
		t.Skip("this machine has no IPv6")
	}
	t.Parallel()
	for _, network := range []string{"tcp", "udp"} {
		socket := open(t, "web", network, "[::]:0")
		_, port, err := net.SplitHostPort(socket.address)
		require.NoError(t, err)
		p := activate(t, fmt.Sprintf(`server "s" {
			transport %q { address = ":%s" }
			concurrency "threading" {}
			handler "timestamp" {
				framing = "chunk"
				format = "{client_ip}"
			}
		}`, network, port), socket)
		require.Equal(t, []listener{{"s", network, socket.address}}, p.awaitListening(t))
		for host, client := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1"} {
			require.Equal(t, client, askOnce(t, listener{"s", network, net.JoinHostPort(host, port)}, "x"))
		}
	}
}

// Several sockets have one name, and a socket that no server uses is logged.
func TestActivationByNameTakesAllOfThatName(t *testing.T) {
	t.Parallel()
	one, two := open(t, "web", "tcp", "127.0.0.1:0"), open(t, "web", "tcp", "127.0.0.1:0")
	other := open(t, "other", "udp", "127.0.0.1:0")
	p := activate(t, `server "s" {
		transport "tcp" { address = "fd/web" }
		concurrency "threading" {}
		handler "echo" {}
	}`, one, other, two)
	listeners := p.awaitListening(t)
	require.Equal(t, []listener{{"s", "tcp", one.address}, {"s", "tcp", two.address}}, listeners)
	requireEcho(t, listeners[0])
	requireEcho(t, listeners[1])
	p.await(t, "no server uses a socket that was passed to this process, and its clients wait", event{"name": "other", "address": other.address})
}

// Without a socket of that name, or with one of another address of the port, nothing starts.
func TestActivationThatDoesNotFit(t *testing.T) {
	t.Parallel()
	socket := open(t, "web", "tcp", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(socket.address)
	require.NoError(t, err)
	text := func(address string) string {
		return fmt.Sprintf(`server "s" {
			transport "tcp" { address = %q }
			concurrency "threading" {}
			handler "echo" {}
		}`, address)
	}
	p := activate(t, text("127.0.0.1:"+port), socket)
	require.Equal(t, exitFailed, p.exit(t))
	p.awaitText(t, `the port is that of a socket that was passed to this process; write its address, "`+socket.address+`", or "fd/web"`)
	p = activate(t, text("fd/wbe"), open(t, "web", "tcp", "127.0.0.1:0"))
	require.Equal(t, exitFailed, p.exit(t))
	p.awaitText(t, `no tcp socket of the name "wbe" was passed to this process; set FileDescriptorName=wbe in its socket unit`)
}

// TestActivationBySystemd has systemd's own tool listen, which starts the server for the first
// client.
func TestActivationBySystemd(t *testing.T) {
	tool, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("systemd-socket-activate is not installed")
	}
	if inOwnNetwork(t) {
		return
	}
	for _, l := range []listener{{"s", "tcp", "127.0.0.1:21567"}, {"s", "udp", "127.0.0.1:21567"}, {"s", "unix", filepath.Join(t.TempDir(), "s")}} {
		t.Run(l.network, func(t *testing.T) {
			args := []string{"-l", l.address, "--fdname=web", "-E", "PATH"}
			if l.network == "udp" {
				args = append(args, "--datagram")
			}
			p := start(t, t.TempDir(), exec.Command(tool, append(args, "socketserver", "serve", "-c", write(t, "servers.hcl", fmt.Sprintf(`server "s" {
				transport %q { address = %q }
				concurrency "threading" {}
				handler "echo" {}
			}`, l.network, l.address)))...))
			p.awaitText(t, "Listening on "+l.address+" as 3.")
			requireEcho(t, l)
			p.awaitListening(t)
			requireEcho(t, l)
		})
	}
}

// listenForNotices returns what a server tells a service manager, and the environment in which
// it does so.
func listenForNotices(t *testing.T) (next func() string, variable string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}, "NOTIFY_SOCKET=" + path
}

// TestNotices has the exact sequence of what systemd is told of a start and a graceful stop.
func TestNotices(t *testing.T) {
	t.Parallel()
	next, variable := listenForNotices(t)
	command := exec.Command("socketserver", "serve", "--listen", "tcp://127.0.0.1:0", "--handler", "echo")
	command.Env = append(os.Environ(), variable)
	p := start(t, t.TempDir(), command)
	listeners := p.awaitListening(t)
	require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=serving 1 server", p.Process.Pid), next())
	conn := dial(t, listeners[0])
	frameworktest.Ask(t, conn, "hello")
	p.signal(t, syscall.SIGTERM)
	require.Equal(t, "STOPPING=1\nSTATUS=waiting for requests to end", next())
	require.Equal(t, "EXTEND_TIMEOUT_USEC=15000000", next())
	require.NoError(t, conn.Close())
	require.Equal(t, 0, p.exit(t))
}

// systemd is told of a reload, and that the service runs after one that fails.
func TestNoticesOfReloads(t *testing.T) {
	t.Parallel()
	next, variable := listenForNotices(t)
	file := write(t, "servers.hcl", timestamps(`"threading" {}`, "0", ""))
	command := exec.Command("socketserver", "serve", "-c", file)
	command.Env = append(os.Environ(), variable)
	p := start(t, t.TempDir(), command)
	p.awaitListening(t)
	require.Contains(t, next(), "READY=1")
	for text, outcome := range map[string]string{timestamps(`"threading" {}`, "1", ""): "reloaded", "server": "not reloaded"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		p.signal(t, syscall.SIGHUP)
		require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=\d+$`, next())
		require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=%s; serving 1 server", p.Process.Pid, outcome), next())
	}
}

// The watchdog is pinged while the servers answer, and while they drain.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	next, variable := listenForNotices(t)
	command := exec.Command("socketserver", "serve", "--listen", "tcp://127.0.0.1:0", "--handler", "echo")
	command.Env = append(os.Environ(), variable, "WATCHDOG_USEC=100000")
	p := start(t, t.TempDir(), command)
	conn := dial(t, p.awaitListening(t)[0])
	frameworktest.Ask(t, conn, "hello")
	require.Contains(t, next(), "READY=1")
	for range 3 {
		require.Equal(t, "WATCHDOG=1", next())
	}
	p.signal(t, syscall.SIGTERM)
	for !strings.HasPrefix(next(), "STOPPING=1") {
	}
	for next() != "WATCHDOG=1" {
	}
	require.NoError(t, conn.Close())
	require.Equal(t, 0, p.exit(t))
}

// What does not start is not ready.
func TestNoticesOfAFailedStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), frameworktest.Patience)
	defer cancel()
	command := exec.CommandContext(ctx, "socketserver", "serve", "-c", write(t, "servers.hcl", "server"))
	command.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	require.Error(t, command.Run())
	require.NoError(t, conn.SetReadDeadline(time.Now()))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
