package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// says returns what a command of socketserver prints.
func says(command ...string) (string, error) {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	return string(out), err
}

// What serve refuses on this machine validate refuses, in the same words.
func TestValidateRefusesWhatServeRefuses(t *testing.T) {
	if inOwnNetwork(t) { // in which ports below 1024 are for root
		return
	}
	run := []string{"socketserver"}
	if os.Geteuid() == 0 {
		run = []string{"setpriv", "--bounding-set=-all", "socketserver"}
		if out, err := says(append(run, "version")...); err != nil {
			t.Skipf("root may do everything, and setpriv cannot take that away: %v %s", err, out)
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "closed"), 0o555))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "locked.lock"), 0o755))
	script := fmt.Sprintf("#!/bin/sh\n# SOCKETSERVER_PLUGIN\n[ -z \"$SOCKETSERVER_WORKER\" ] || exit 3\nexec %s\n", filepath.Join(filepath.Dir(pathOf(t, "socketserver")), "talkative"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "workerless"), []byte(script), 0o755))

	transports, want := "", []string{}
	for _, c := range []struct{ network, address, want string }{
		{"unix", "absent/s", "unix: listen: there is no directory DIR/absent; make it, or choose another path"},
		{"unixgram", "absent/d", "unixgram: listen: there is no directory DIR/absent; make it, or choose another path"},
		{"unix", "file/s", "unix: listen: DIR/file is not a directory; choose another path"},
		{"unix", "file", "unix: listen: DIR/file exists and is not a socket; remove it or choose another path"},
		{"unix", "closed/s", "unix: listen: cannot make a file in DIR/closed: permission denied; let this user read and write there, or choose another path"},
		{"unix", "locked", "unix: listen: lock socket: open DIR/locked.lock: is a directory; choose another path"},
		{"tcp", "192.0.2.1:9000", "tcp 192.0.2.1:9000 is no address of this machine; choose one that is"},
		{"udp", "192.0.2.1:9000", "udp 192.0.2.1:9000 is no address of this machine; choose one that is"},
		{"tcp", "[2001:db8::1]:9000", "tcp [2001:db8::1]:9000 is no address of this machine; choose one that is"},
		{"tcp", "127.0.0.1:7", "tcp 127.0.0.1:7: permission denied; choose a port from 1024 up, or run with CAP_NET_BIND_SERVICE"},
		{"udp", "127.0.0.1:7", "udp 127.0.0.1:7: permission denied; choose a port from 1024 up, or run with CAP_NET_BIND_SERVICE"},
		{"tcp", "[fe80::1%nowhere]:9000", `address "[fe80::1%nowhere]:9000": there is no network interface "nowhere"; check the name, or write an address`},
		{"tcp", "[fe80::1]:9000", `address "[fe80::1]:9000": a link-local address needs its network interface, as in [fe80::1%eth0]; check the name, or write an address`},
		{"tcp", "name.invalid:9000", `address "name.invalid:9000": cannot find the host "name.invalid": `},
	} {
		want = append(want, fmt.Sprintf(`%s:%d:%d: server "s": %s`, filepath.Join(dir, "servers.hcl"), 3+strings.Count(transports, "\n"), len(fmt.Sprintf("transport %q { address = |", c.network)), strings.ReplaceAll(c.want, "DIR", dir)))
		transports += fmt.Sprintf("transport %q { address = %q }\n", c.network, c.address)
	}
	for _, c := range []struct {
		name, transports, concurrency, handler string
		want                                   []string
	}{
		{"addresses", transports, "threading", `handler "echo" {}`, want},
		{"plugin that is no worker", "", "forking", `plugin "workerless" {}`, []string{"workerless does not serve as a worker; it has to call framework.ServeWorker first: "}},
		{"socket of an operator", "", "threading", "handler \"chat\" {\n  mode = \"half-duplex\"\n  operator = \"absent/s\"\n}", []string{`server "s": open handler class: operator's socket: there is no directory ` + dir + "/absent; make it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.transports == "" {
				c.transports = `transport "tcp" { address = "127.0.0.1:0" }`
			}
			requireBothRefuse(t, run, dir, fmt.Sprintf("plugins { directory = \".\" }\nserver \"s\" {\n%s\nconcurrency %q {}\n%s\n}\n", c.transports, c.concurrency, c.handler), c.want...)
		})
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	taken, err := net.Listen("unix", filepath.Join(dir, "taken"))
	require.NoError(t, err)
	defer taken.Close()
	require.NoError(t, os.Symlink("absent/log", filepath.Join(dir, "dangling")))
	require.NoError(t, os.Symlink("closed/log", filepath.Join(dir, "leads")))
	for block, want := range map[string]string{
		`log { access = "plain.log" }`:                "",
		`log { access = "pipe" }`:                     "", // its reader may be started later
		`log { access = "taken" }`:                    `1:16: access log: DIR/taken is a socket; name a file or a pipe, or write "-" for standard output`,
		`log { access = "closed" }`:                   "1:16: access log: open DIR/closed: is a directory; change log.access",
		`log { access = "closed/log" }`:               "1:16: access log: open DIR/closed/log: permission denied; let this user write there, or change log.access",
		`log { access = "leads" }`:                    "1:16: access log: open ",
		`log { access = "dangling" }`:                 "1:16: access log: open ",
		`log { access = "absent/log" }`:               "1:16: access log: open DIR/absent/log: no such file or directory; make the directory, or change log.access",
		`log { access = "file/log" }`:                 "1:16: access log: open DIR/file/log: not a directory; change log.access",
		`admin { socket = "absent/s" }`:               "1:18: admin socket: there is no directory DIR/absent; make it, or choose another path",
		`admin { socket = "file" }`:                   "1:18: admin socket: DIR/file exists and is not a socket; remove it or choose another path",
		`metrics { address = "192.0.2.1:9000" }`:      "1:21: metrics: tcp 192.0.2.1:9000 is no address of this machine; choose one that is",
		`page { address = "[fe80::1%nowhere]:9000" }`: `1:18: page: address "[fe80::1%nowhere]:9000": there is no network interface "nowhere"; check the name, or write an address`,
	} {
		t.Run(block, func(t *testing.T) {
			text := block + "\nserver \"s\" {\ntransport \"tcp\" { address = \"127.0.0.1:0\" }\nconcurrency \"threading\" {}\nhandler \"echo\" {}\n}\n"
			if want != "" {
				requireBothRefuse(t, run, dir, text, filepath.Join(dir, "servers.hcl")+":"+strings.ReplaceAll(want, "DIR", dir))
				return
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "servers.hcl"), []byte(text), 0o644))
			out, err := says(append(run, "validate", "-c", filepath.Join(dir, "servers.hcl"))...)
			require.NoError(t, err, out)
			require.NoFileExists(t, filepath.Join(dir, "plain.log"))
		})
	}
}

// requireBothRefuse requires that serve and validate refuse a configuration in dir in the same words, and that these
// have all that is wanted, and the lines of their places.
func requireBothRefuse(t *testing.T, run []string, dir, text string, want ...string) {
	t.Helper()
	file := filepath.Join(dir, "servers.hcl")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	served, err := says(append(run, "serve", "--log-level", "error", "-c", file)...)
	require.Error(t, err)
	validated, err := says(append(run, "validate", "--log-level", "error", "-c", file)...)
	require.Error(t, err)
	for _, text := range want {
		require.Contains(t, validated, text)
	}
	require.Equal(t, served, validated)
	for line := range strings.Lines(validated) {
		if place, found := strings.CutPrefix(line, file+":"); found {
			n, _, _ := strings.Cut(place, ":")
			at, err := strconv.Atoi(n)
			require.NoError(t, err)
			require.Contains(t, validated, "\n    "+strings.Split(text, "\n")[at-1]+"\n")
		}
	}
}

func pathOf(t *testing.T, command string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	require.NoError(t, err)
	return path
}

// validate accepts the configuration of servers that run, and they do not notice.
func TestValidateBesideRunningServers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `
server "connections" {
  transport "tcp" { address = "127.0.0.1:0" }
  transport "unix" { address = "%[1]s/s" }
  transport "unixgram" { address = "%[1]s/d" }
  transport "udp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
}
`
	p, listeners := serveFile(t, fmt.Sprintf(text, dir))
	for _, l := range listeners {
		if l.network == "tcp" || l.network == "udp" {
			text = strings.Replace(text, fmt.Sprintf("%q { address = \"127.0.0.1:0\"", l.network), fmt.Sprintf("%q { address = %q", l.network, l.address), 1)
		}
	}
	entries := func() (names []string) {
		all, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}
	before := entries()
	out, err := says("socketserver", "validate", "-c", write(t, "servers.hcl", fmt.Sprintf(text, dir)))
	require.NoError(t, err, out)
	require.Regexp(t, ": 1 server, no errors\n$", out)
	require.Equal(t, before, entries())
	for _, l := range listeners {
		requireEcho(t, l)
	}
	p.signal(t, os.Interrupt)
	require.Zero(t, p.exit(t))
}

// A per_source beyond half of connections does not count, which a warning says, and so does the advice
// for a client that is refused.
func TestPerSourceThatIsLowered(t *testing.T) {
	t.Parallel()
	file := write(t, "servers.hcl", `server "s" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency "threading" {}
  handler "echo" {}
  limits {
    connections = 2
    per_source  = 50
  }
}
`)
	out, err := exec.Command("socketserver", "validate", "-c", file).CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "limits.per_source is more than half of limits.connections")
	p, listeners := serveArgs(t, "-c", file)
	first := dial(t, listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, first, "hello"))
	dial(t, listeners[0])
	require.Equal(t, "raise limits.connections", p.await(t, "client refused: limit reached")["next"])
}
