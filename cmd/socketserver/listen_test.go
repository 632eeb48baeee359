package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// refused runs a serve that cannot start, and returns what it says: no more than one error, with its line of the source.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command("socketserver", append([]string{"serve"}, args...)...)
	c.Dir = t.TempDir()
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, exitFailed, exit.ExitCode(), "%s", out)
	require.Equal(t, 1, strings.Count(string(out), "\n")-strings.Count(string(out), "\n    "), "%s", out)
	return strings.TrimSuffix(string(out), "\n")
}

// Port 0 is the same port on all addresses of a host.
func TestSamePort(t *testing.T) {
	for _, host := range []string{"localhost", ""} {
		t.Run(host+":0", func(t *testing.T) {
			t.Parallel()
			for _, network := range []string{"tcp", "udp"} {
				_, listeners := serveArgs(t, "--listen", network+"://"+host+":0", "--handler", "echo")
				require.Len(t, listeners, families())
				ports := map[string]bool{}
				for _, l := range listeners {
					require.Equal(t, network, l.network)
					_, port, err := net.SplitHostPort(l.address)
					require.NoError(t, err)
					ports[port] = true
					requireEcho(t, l)
				}
				require.Len(t, ports, 1)
			}
		})
	}
}

// Where a machine has no IPv6, localhost is served over IPv4.
func TestNoIPv6(t *testing.T) {
	t.Parallel()
	const without = `ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6`
	if out, err := exec.Command("unshare", "-n", "sh", "-c", without).CombinedOutput(); err != nil {
		t.Skipf("a network without IPv6 can not be made, which takes root, unshare and ip: %v %s", err, out)
	}
	network := func(address string) *exec.Cmd {
		return exec.Command("unshare", "-n", "sh", "-c", without+` && exec "$@"`, "sh",
			"socketserver", "serve", "--listen", "tcp://"+address, "--handler", "echo")
	}
	for _, address := range []string{"localhost:0", "localhost:7"} {
		p := start(t, t.TempDir(), network(address))
		listeners := p.awaitListening(t)
		require.Len(t, listeners, 1)
		require.NotContains(t, listeners[0].address, "[")
		e := p.await(t, "not listening on an address that this machine does not have", event{"server": "echo"})
		require.Contains(t, e["error"], "tcp [::")
	}
	out, err := network("[::1]:7").CombinedOutput()
	require.Error(t, err)
	require.Equal(t, "server \"echo\": tcp [::1]:7 is no address of this machine; choose one that is\n", string(out))
}

// An address that is taken keeps the whole configuration from starting.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "udp"} {
		address := hold(t, network)
		file := write(t, "servers.hcl", fmt.Sprintf(`
server "free" {
  transport "unix" { address = "free.socket" }
  transport "tcp" { address = "localhost:0" }
  concurrency "forking" { spares = 1 }
  handler "echo" {}
}
server "taken" {
  transport %q { address = %q }
  concurrency "threading" {}
  handler "echo" {}
}
`, network, address))
		said := refused(t, "-c", file)
		require.Regexp(t, fmt.Sprintf(`^%s:9:31: server "taken": %s %s is in use by process %d \(.+\); stop it or choose another address\n      transport %[2]q { address = %[3]q }\n *\^$`, regexp.QuoteMeta(file), network, address, os.Getpid()), said)
		left, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		require.Len(t, left, 1, "only the configuration")
	}
}

// An address or path of a block beside the servers that cannot be had is an error at its place.
func TestBlocksBesideServersThatCannotBeHad(t *testing.T) {
	t.Parallel()
	address := hold(t, "tcp")
	inUse := fmt.Sprintf(`tcp %s is in use by process %d (`, address, os.Getpid())
	for _, c := range []struct{ block, value, want string }{
		{"metrics", fmt.Sprintf("address = %q", address), "2:13: metrics: " + inUse},
		{"page", fmt.Sprintf("address = %q", address), "2:13: page: " + inUse},
		{"admin", `socket = "absent/admin.sock"`, "2:12: admin socket: there is no directory "},
		{"log", `access = "absent/access.log"`, "2:12: "},
	} {
		file := write(t, "servers.hcl", fmt.Sprintf("%s {\n  %s\n}\nserver \"s\" {\n  transport \"tcp\" { address = \"127.0.0.1:0\" }\n  concurrency \"threading\" {}\n  handler \"echo\" {}\n}\n", c.block, c.value))
		said := refused(t, "-c", file)
		require.Contains(t, said, file+":"+c.want)
		require.Contains(t, said, "\n      "+c.value+"\n")
	}
}

// hold takes a port and returns its address.
func hold(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket(network, "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c.LocalAddr().String()
	}
	l, err := net.Listen(network, "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// A port may be a client's, which listens at none.
func TestPortOfAClient(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", hold(t, "tcp"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	address := conn.LocalAddr().String()
	require.Regexp(t, fmt.Sprintf(`^server "echo": tcp %s is in use, and may be by a client's connection, to which the system gives the ports from \d+ to \d+; `, address),
		refused(t, "--listen", "tcp://"+address, "--handler", "echo"))
}

// Every listener that cannot be had is told of, each with its server.
func TestAllInUse(t *testing.T) {
	t.Parallel()
	c := exec.Command("socketserver", "serve", "--listen", "tcp://"+hold(t, "tcp"), "--listen", "udp://"+hold(t, "udp"), "--handler", "echo")
	out, err := c.CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `^server "echo": tcp .* is in use .*\nserver "echo": udp .* is in use .*\n$`, string(out))
}

func TestPrivilegedPort(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may use every port")
	}
	l, err := net.Listen("tcp", "127.0.0.1:7")
	if err == nil {
		l.Close()
		t.Skip("every port is for everybody on this machine")
	}
	require.Equal(t, `server "echo": tcp 127.0.0.1:7: permission denied; choose a port from 1024 up, or run with CAP_NET_BIND_SERVICE`,
		refused(t, "--listen", "tcp://127.0.0.1:7", "--handler", "echo"))
}

// The socket of a server that was killed is taken over, that of one that lives is not.
func TestUnixSocket(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s")
			args := []string{"--listen", network + "://" + path, "--handler", "echo"}
			first, listeners := serveArgs(t, args...)
			requireEcho(t, listeners[0])
			require.Equal(t, fmt.Sprintf(`server "echo": %[1]s %[2]s is in use; stop what uses it or choose another address`, network, path), refused(t, args...))
			requireEcho(t, listeners[0])

			require.NoError(t, first.Process.Kill())
			first.exit(t)
			require.FileExists(t, path)
			second, listeners := serveArgs(t, args...)
			requireEcho(t, listeners[0])
			second.signal(t, os.Interrupt)
			require.Zero(t, second.exit(t))
			require.NoFileExists(t, path)
		})
	}
}

// What is not a socket is left alone.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, directory := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "directory")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o644))
	require.NoError(t, os.Symlink(file, link))
	require.NoError(t, os.Mkdir(directory, 0o755))
	for _, path := range []string{file, link, directory} {
		require.Equal(t, fmt.Sprintf(`server "echo": unix: listen: %[1]s exists and is not a socket; remove it or choose another path`, path),
			refused(t, "--listen", "unix://"+path, "--handler", "echo"))
	}
	text, err := os.ReadFile(link)
	require.NoError(t, err)
	require.Equal(t, "mine", string(text))

	require.Equal(t, fmt.Sprintf(`server "echo": unix: listen: there is no directory %s/absent; make it, or choose another path`, dir), refused(t, "--listen", "unix://"+dir+"/absent/s", "--handler", "echo"))
}
