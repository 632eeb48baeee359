package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// tlsPlugins say who their client is, each in its own way.
var tlsPlugins = map[string]string{
	"name.sh": "#!/bin/sh\nread -r line\necho \"$line $SSL_CLIENT_VERIFY $SSL_CLIENT_S_DN\"\n",
	"name.py": "import socketserver\nclass H(socketserver.StreamRequestHandler):\n" +
		"    def handle(self):\n        line = self.rfile.readline().decode().strip()\n" +
		"        self.wfile.write(f\"{line} SUCCESS {self.request.tls['client']['subject']}\\n\".encode())\n",
	"copy.wasm": echoModule,
}

// tlsServers is a configuration with a server for each kind of handler under each strategy that has a place for it,
// which serves clients with a certificate alone.
func tlsServers(t *testing.T, c frameworktest.Certificate, ca *frameworktest.Authority) string {
	conf := fmt.Sprintf("plugins { directory = %q }\n", programs(t, tlsPlugins))
	transport := strings.Replace(secureTransport("localhost:0", c), "  tls {", fmt.Sprintf("  tls {\n    client_ca = %q", ca.File), 1)
	for handler, strategies := range map[string]string{
		`handler "timestamp" { format = "{data} SUCCESS {client_cert}" }`: "synchronous threading forking preforking",
		`plugin "copy.wasm" {}`: "threading forking",
		`plugin "name.sh" {}`:   "threading forking",
		`plugin "name.py" {}`:   "threading forking preforking",
	} {
		if _, err := exec.LookPath("python3"); err != nil && strings.Contains(handler, ".py") {
			continue
		}
		for _, strategy := range strings.Fields(strategies) {
			conf += fmt.Sprintf("server \"%s %s\" {\n%s\nconcurrency %q {}\n%s\n}\n", strings.Fields(strings.ReplaceAll(handler, `"`, ""))[1], strategy, transport, strategy, handler)
		}
	}
	return conf
}

// A client is known by its certificate in every handler, wherever that runs; others are refused, and
// the log says why. New certificates are used when their files have changed, without a reload.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	alice := ca.Issue(t, "alice").Pair(t)
	own, next := mounted(t, ca.Issue(t, "localhost", "first.example")), ca.Issue(t, "localhost", "second.example")
	p, listeners := serveFile(t, tlsServers(t, own, ca))
	seen := map[string]bool{}
	for _, l := range listeners {
		if seen[l.server] {
			continue
		}
		seen[l.server] = true
		t.Run(l.server, func(t *testing.T) {
			conn := dialTLS(t, l, ca, &tls.Config{Certificates: []tls.Certificate{alice}})
			want := "hello SUCCESS CN=alice,O=Example\n"
			if strings.HasPrefix(l.server, "copy") {
				want = "hello\n"
			}
			frameworktest.Send(t, conn, "hello\n")
			require.Equal(t, want, frameworktest.End(t, conn))
		})
		if strings.HasPrefix(l.server, "timestamp") {
			t.Run(l.server+" openssl", func(t *testing.T) {
				own := ca.Issue(t, "openssl")
				updateKeys(t, l, ca, own)
				resumeSession(t, l, ca, own)
			})
		}
	}
	threading := listeners[0]
	for _, l := range listeners {
		if l.server == "timestamp threading" {
			threading = l
		}
	}
	plain := dial(t, threading)
	frameworktest.Send(t, plain, "GET / HTTP/1.0\r\n\r\n")
	answer, err := io.ReadAll(plain)
	require.NoError(t, err)
	require.Len(t, answer, 7)
	e := p.await(t, "client refused: handshake failed", event{"client": plain.LocalAddr().String()})
	require.Equal(t, `the client does not speak TLS: it began with "GET /"`, e["error"])

	remount(t, own, next)
	p.await(t, "certificates reloaded", event{"server": threading.server})
	conn := tls.Client(dial(t, threading), &tls.Config{RootCAs: ca.Pool(), ServerName: "second.example", Certificates: []tls.Certificate{alice}})
	require.Equal(t, "again SUCCESS CN=alice,O=Example\n", frameworktest.Ask(t, conn, "again\n"))

	require.NoError(t, os.WriteFile(own.Key, []byte("nonsense"), 0o600))
	e = p.await(t, "certificates not reloaded; those that were read before stay", event{"server": threading.server})
	require.Contains(t, e["error"], "there is no private key in it")
	require.Equal(t, "still SUCCESS CN=alice,O=Example\n", frameworktest.Ask(t, conn, "still\n"))
}

// A client resumes its session with the instance that follows by a reload, unless that has another handler or other certificates.
func TestResumptionAfterReload(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	own, next := mounted(t, ca.Issue(t, "localhost")), ca.Issue(t, "localhost")
	server := func(concurrency, handler string) string {
		return fmt.Sprintf("server \"s\" {\n%s\nconcurrency %s\nhandler \"timestamp\" { %s }\n}\n", secureTransport("127.0.0.1:0", own), concurrency, handler)
	}
	r := reloadable(t, server(`"preforking" { workers = 1 }`, ""))
	c := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	resumes := func() bool {
		conn := dialTLS(t, r.listeners[0], ca, c)
		require.Contains(t, frameworktest.Ask(t, conn, "hello\n"), "hello\n") // with which the ticket has come
		require.NoError(t, conn.Close())
		return conn.(*layer.TLSConn).ConnectionState().DidResume
	}
	require.False(t, resumes())
	for _, concurrency := range []string{`"preforking" { workers = 2 }`, `"forking" { max_requests = 5 }`, `"threading" {}`, `"preforking" {}`} {
		require.Contains(t, r.reload(t, server(concurrency, "")), "~ s: concurrency")
		require.True(t, resumes(), concurrency)
	}
	r.reload(t, server(`"preforking" {}`, `format = "other {data}"`))
	require.False(t, resumes(), "the processes of the other handler had the keys of sessions")
	require.True(t, resumes())
	remount(t, own, next)
	require.Contains(t, r.reload(t, server(`"preforking" { workers = 3 }`, `format = "other {data}"`)), "~ s: concurrency")
	require.False(t, resumes(), "the certificate is another one")
}

// mounted makes a directory of c as Kubernetes mounts a secret: files are links into a directory that a
// link leads to, which is replaced at once.
func mounted(t *testing.T, c frameworktest.Certificate) frameworktest.Certificate {
	dir := t.TempDir()
	own := frameworktest.Certificate{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	remount(t, own, c)
	require.NoError(t, os.Symlink("..data/tls.crt", own.Certificate))
	require.NoError(t, os.Symlink("..data/tls.key", own.Key))
	return own
}

func remount(t *testing.T, own, c frameworktest.Certificate) {
	dir := filepath.Dir(own.Certificate)
	version, err := os.MkdirTemp(dir, "..version")
	require.NoError(t, err)
	for to, from := range map[string]string{"tls.crt": c.Certificate, "tls.key": c.Key} {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(version, to), text, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Base(version), filepath.Join(dir, "..next")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")))
}

// An opensslClient is a conversation of openssl s_client with a server.
type opensslClient struct {
	in   io.WriteCloser
	said *bufio.Scanner // what it prints, and what the server says
}

// openssl connects with a certificate. The conversation ends with the test.
func openssl(t *testing.T, l listener, ca *frameworktest.Authority, own frameworktest.Certificate, args ...string) *opensslClient {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl")
	}
	command := exec.Command("openssl", append([]string{"s_client", "-connect", l.address, "-CAfile", ca.File, "-cert", own.Certificate, "-key", own.Key, "-verify_return_error", "-servername", "localhost"}, args...)...)
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, theirs, err := os.Pipe()
	require.NoError(t, err)
	command.Stdout, command.Stderr = theirs, theirs
	require.NoError(t, command.Start())
	require.NoError(t, theirs.Close())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait(); _ = out.Close() })
	require.NoError(t, out.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
	return &opensslClient{in, bufio.NewScanner(out)}
}

// say sends a line, and waits for one with want in it.
func (c *opensslClient) say(t *testing.T, line, want string) {
	t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	require.NoError(t, err)
	c.await(t, want)
}

func (c *opensslClient) await(t *testing.T, want string) {
	t.Helper()
	var all []string
	for c.said.Scan() {
		if all = append(all, c.said.Text()); strings.Contains(c.said.Text(), want) {
			return
		}
	}
	t.Fatalf("openssl has not shown %q: %s", want, all)
}

// updateKeys has openssl change keys in the middle of a conversation, and ask the server to change its own.
func updateKeys(t *testing.T, l listener, ca *frameworktest.Authority, own frameworktest.Certificate) {
	c := openssl(t, l, ca, own, "-brief", "-tls1_3")
	c.say(t, "one", "one SUCCESS CN=openssl,O=Example")
	for _, command := range []string{"k", "K"} { // its own keys; and the server's, too
		c.say(t, command, "KEYUPDATE")
		c.say(t, "two", "two SUCCESS CN=openssl,O=Example")
	}
	c.say(t, "Q", "DONE")
}

// resumeSession has openssl come back with the session that it was given, and tries what is not spoken.
func resumeSession(t *testing.T, l listener, ca *frameworktest.Authority, own frameworktest.Certificate) {
	session := filepath.Join(t.TempDir(), "session")
	c := openssl(t, l, ca, own, "-tls1_3", "-sess_out", session)
	c.say(t, "new", "new SUCCESS CN=openssl,O=Example")
	c.say(t, "Q", "DONE")
	c = openssl(t, l, ca, own, "-tls1_3", "-sess_in", session)
	c.await(t, "Reused, TLSv1.3")
	c.say(t, "again", "again SUCCESS CN=openssl,O=Example")
	c.say(t, "Q", "DONE")
	openssl(t, l, ca, own, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0").await(t, "alert protocol version")
	openssl(t, l, ca, own, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:AES128-SHA").await(t, "alert handshake failure")
}

// The blocks of the document lead to what it shows.
func TestDocumentOfTLS(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl")
	}
	t.Parallel()
	dir := t.TempDir()
	for _, f := range fences(t, "../../docs/tls.md") {
		switch f.language {
		case "sh":
			command := exec.Command("sh", "-ec", f.text)
			command.Dir = dir
			said, err := command.CombinedOutput()
			require.NoError(t, err, "%s", said)
		case "hcl":
			conf := filepath.Join(dir, "servers.hcl")
			require.NoError(t, os.WriteFile(conf, []byte(port.ReplaceAllString(f.text, "$1:0")), 0o600))
			_, listeners := serveArgs(t, "-c", conf)
			_, n, err := net.SplitHostPort(listeners[0].address)
			require.NoError(t, err)
			for _, f := range fences(t, "../../docs/tls.md") {
				if f.language != "console" {
					continue
				}
				for _, s := range steps(f.text) {
					command := exec.Command("sh", "-c", port.ReplaceAllString(s.command, "$1:"+n))
					command.Dir = dir
					said, err := command.CombinedOutput()
					require.NoError(t, err, "%s", said)
					require.Equal(t, s.output, string(said))
				}
			}
		}
	}
}

// An isolated private key is in the server's memory alone: not in that of children, workers and plugins, their
// environment or descriptors. Workers that end TLS have it otherwise, and no other process does, nor any of a plugin.
func TestKeyStaysInTheServer(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	isolated, shared := ca.Issue(t, "localhost"), ca.Issue(t, "localhost")
	dir := programs(t, map[string]string{"copy.sh": "#!/bin/sh\nexec cat\n", "copy.wasm": echoModule})
	install(t, dir, 1)
	conf := fmt.Sprintf("plugins { directory = %q }\n", dir)
	server := func(name, concurrency, handler string, transport string) {
		conf += fmt.Sprintf("server %q {\n%s\nconcurrency %s\n%s\n}\n", name, transport, concurrency, handler)
	}
	alone := strings.Replace(secureTransport("127.0.0.1:0", isolated), "  tls {", "  tls {\n    isolated_key = true", 1)
	common := secureTransport("127.0.0.1:0", shared)
	server("strict", `"forking" {}`, `handler "echo" {}`, alone)
	server("reused", `"forking" { max_requests = 5 }`, `handler "echo" {}`, alone)
	server("alone", `"preforking" {}`, `handler "echo" {}`, alone)
	server("stdio", `"threading" {}`, `plugin "copy.sh" {}`, alone)
	server("none", `"forking" {}`, `handler "echo" {}`, common)
	server("shared.reused", `"forking" { max_requests = 5 }`, `handler "echo" {}`, common)
	server("shared", `"preforking" {}`, `handler "echo" {}`, common)
	server("module", `"preforking" {}`, `plugin "copy.wasm" {}`, common)
	server("versioned", `"threading" {}`, `plugin "versioned" {}`, common)
	server("versioned.workers", `"preforking" { workers = 1 }`, `plugin "versioned" {}`, common)
	p, listeners := serveFile(t, conf)
	for _, l := range listeners {
		require.Contains(t, frameworktest.Ask(t, dialTLS(t, l, ca, &tls.Config{}), "hello"), "hello") // and stays
	}
	secret := func(c frameworktest.Certificate) []byte {
		key, ok := c.Pair(t).PrivateKey.(*ecdsa.PrivateKey)
		require.True(t, ok)
		bytes, err := key.Bytes()
		require.NoError(t, err)
		return bytes
	}
	require.True(t, remembers(t, p.Process.Pid, secret(isolated)), "the server has it")
	children := p.children(t)
	require.GreaterOrEqual(t, len(children), 9)
	sharing := map[string]bool{}
	for _, pid := range children {
		require.False(t, remembers(t, pid, secret(isolated)), "process %d", pid)
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		require.NoError(t, err)
		if remembers(t, pid, secret(shared)) {
			sharing[strings.TrimRight(string(name), "\x00")] = true
		}
		files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		require.NoError(t, err)
		for _, f := range files {
			path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, f.Name()))
			require.NotEqual(t, isolated.Key, path)
		}
	}
	require.Equal(t, map[string]bool{"socketserver-worker: shared": true, "socketserver-worker: shared.reused": true}, sharing, "what has the other key")
}

// remembers reports whether a process has bytes in its memory, which its environment is part of.
func remembers(t *testing.T, pid int, secret []byte) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Skipf("cannot look into another process: %v", err)
	}
	defer memory.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		const step = 1 << 20
		for buf := make([]byte, step+64); from < to; from += step { // 64 bytes overlap
			n, _ := memory.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
			if bytes.Contains(buf[:n], secret) {
				return true
			}
		}
	}
	return false
}

// Silent clients within the handshakes of TLS and WebSocket, of a source without a limit, cost others nothing, and the
// server a bounded memory; they are gone after the timeout.
func TestSilentHandshakes(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	p, listeners := serveFile(t, fmt.Sprintf("server \"s\" {\n%s\ntransport \"websocket\" { address = \"127.0.0.1:0\" }\nconcurrency \"threading\" {}\nhandler \"echo\" {}\n"+
		"limits {\n connections = 20000\n per_source = 0\n}\ntimeouts { handshake = \"%ds\" }\n}\n", secureTransport("127.0.0.1:0", ca.Issue(t, "localhost")), often(1, 30)))
	ask := func() {
		conn := dialTLS(t, listeners[0], ca, &tls.Config{})
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		require.NoError(t, conn.Close())
		web, err := websocket.Client(dial(t, listeners[1]), &url.URL{Scheme: "ws", Host: listeners[1].address, Path: "/"})
		require.NoError(t, err)
		require.Equal(t, "hello\n", frameworktest.Ask(t, web, "hello\n"))
		require.NoError(t, web.Close())
	}
	ask()
	before := residentSize(t, p.Process.Pid)
	var silent []net.Conn
	for range often(20, 1000) {
		silent = append(silent, dial(t, listeners[0]))
	}
	for range often(20, 10000) {
		conn := dial(t, listeners[1])
		frameworktest.Send(t, conn, "GET / HTTP/1.1\r\nHost: localhost\r\n")
		silent = append(silent, conn)
	}
	for range 20 {
		ask()
	}
	const most = 64 << 10 // bytes of a client: 9 KiB were measured, and 50 with the race detector
	require.Less(t, residentSize(t, p.Process.Pid)-before, len(silent)*most+64<<20)
	for _, conn := range silent {
		_, err := io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}

// residentSize returns the memory of a process in bytes.
func residentSize(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}
