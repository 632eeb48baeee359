package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// connect runs the client on pipes until it ends, and returns what it printed, what it
// complained of, and its status.
func connect(t *testing.T, input string, args ...string) (string, string, int) {
	t.Helper()
	var out, complaints bytes.Buffer
	status := run(append([]string{"connect"}, args...), strings.NewReader(input), &out, &complaints)
	return out.String(), complaints.String(), status
}

// A talker is a client whose input is open.
type talker struct {
	*exec.Cmd
	in  io.WriteCloser
	out io.ReadCloser
}

func talk(t *testing.T, args ...string) *talker {
	t.Helper()
	c := &talker{Cmd: exec.Command("socketserver", append([]string{"connect"}, args...)...)}
	var err error
	c.in, err = c.StdinPipe()
	require.NoError(t, err)
	c.out, err = c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

func (c *talker) say(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(c.in, text)
	require.NoError(t, err)
}

// leave ends the input, and returns what else was printed and the status.
func (c *talker) leave(t *testing.T) (string, int) {
	t.Helper()
	require.NoError(t, c.in.Close())
	rest, err := io.ReadAll(c.out)
	require.NoError(t, err)
	_ = c.Wait()
	return string(rest), c.ProcessState.ExitCode()
}

// What the command line cannot mean is a usage error: the place, and the next step.
func TestConnectUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := write(t, "empty.pem", "")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "plugins"), 0o755))
	for args, want := range map[string]string{
		"localhost:1":                                   `"localhost:1" is not a URL; write it as in tcp://`,
		"http://localhost:1":                            `there is no "http"; there are tcp, udp, unix, unixpacket, unixgram, vsock, tls`,
		"--port echo":                                   `"echo" is no port; write a number from 1 to 65535`,
		"--host localhost tcp://localhost:1":            "exclude each other; leave one",
		"--mode twice":                                  `--mode "twice": there are duplex, ask, each, once`,
		"--framing word":                                `--framing "word": there are line, chunk`,
		"--crlf --framing chunk":                        "leave one of them out",
		"--timeout 0":                                   "write a duration above 0",
		"--timeout soon":                                `--timeout "soon": write a number and its unit, as in 5s`,
		"--timeout 5":                                   `--timeout "5": write a number and its unit, as in 5s`,
		"--insecure tcp://localhost:1":                  "write the address as tls://host:port",
		"--ca missing tls://localhost:1":                "--ca: open missing",
		"--ca " + empty + " tls://a:1":                  "there is no certificate in it; name a PEM file",
		"unix://a unix://b":                             "one argument too many",
		"--transcript " + dir + "/plugins/t":            "choose another directory",
		"--certificate " + empty:                        "--certificate, --key and --insecure belong to tls://",
		"--certificate " + empty + " tls://localhost:1": "empty.pem: there is no certificate in it",
		"--key " + empty + " tls://localhost:1":         "name its file with --certificate",
	} {
		out, complaints, status := connect(t, "hello\n", strings.Fields(args)...)
		require.Equal(t, 2, status, args)
		require.Empty(t, out)
		require.Regexp(t, `^socketserver: [^\n]+\n(Try 'socketserver connect --help'\.\n)?$`, complaints)
		require.Contains(t, complaints, want)
	}
}

// Every mode, with servers of this program.
func TestConnect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, listeners := serveArgs(t, "--listen", "tcp://127.0.0.1:0", "--listen", "udp://127.0.0.1:0",
		"--listen", "unix://"+dir+"/stream", "--listen", "unixgram://"+dir+"/datagram",
		"--handler", "timestamp", "--set", "format=<{data}>", "--set", "framing=chunk")
	require.Len(t, listeners, 4)
	for _, l := range listeners {
		address := l.network + "://" + l.address
		for _, args := range [][]string{{"--mode", "ask"}, {"--mode", "each"}, {"--mode", "ask", "--crlf"}} {
			out, complaints, status := connect(t, "one\ntwo\n", append(args, address)...)
			require.Equal(t, "<one\n><two\n>", strings.ReplaceAll(out, "\r\n", "\n"))
			require.Empty(t, complaints)
			require.Zero(t, status)
		}
		for _, mode := range []string{"once", "duplex"} {
			out, complaints, status := connect(t, "hello\n", "--framing", "chunk", "--mode", mode, address)
			require.Equal(t, "<hello>", out)
			require.Empty(t, complaints)
			require.Zero(t, status)
		}
	}
}

// The address may be given in two ways, and each part of the second has its own default.
func TestConnectHostAndPort(t *testing.T) {
	t.Parallel()
	_, listeners := serveArgs(t, "--listen", "tcp://localhost:0", "--handler", "echo")
	_, port, err := net.SplitHostPort(listeners[0].address)
	require.NoError(t, err)
	for _, args := range [][]string{{"--port", port}, {"--host", "127.0.0.1", "--port", port}, {"tcp://localhost:" + port}} {
		out, complaints, status := connect(t, "\x00\xff bytes\r", args...)
		require.Equal(t, "\x00\xff bytes\r", out)
		require.Empty(t, complaints)
		require.Zero(t, status)
	}
}

func TestConnectStatus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, _ = serveArgs(t, "--listen", "unix://"+dir+"/once", "--handler", "timestamp", "--set", "requests=1", "--set", "format={data}")
	_, _ = serveArgs(t, "--listen", "unixgram://"+dir+"/sink", "--handler", "sink")

	out, complaints, status := connect(t, "one\ntwo\n", "--mode", "ask", "unix://"+dir+"/once")
	require.Equal(t, 1, status)
	require.Equal(t, "one\n", out)
	require.Regexp(t, `^socketserver: unix://.*/once: closed by the peer in mid-conversation; .*\n$`, complaints)

	_, complaints, status = connect(t, "one\n", "--mode", "twice", "unix://"+dir+"/once")
	require.Equal(t, 2, status)
	require.Contains(t, complaints, "Try 'socketserver connect --help'")

	_, complaints, status = connect(t, "one\n", "unix://"+dir+"/none")
	require.Equal(t, 3, status)
	require.Regexp(t, `^socketserver: unix://.*/none: could not connect: .*; check the path, or start the server\n$`, complaints)

	_, complaints, status = connect(t, "one\n", "--timeout", "50ms", "unixgram://"+dir+"/sink")
	require.Equal(t, 4, status)
	require.Regexp(t, `^socketserver: unixgram://.*/sink: no answer within 50ms; .*\n$`, complaints)
}

func TestConnectTranscript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, _ = serveArgs(t, "--listen", "unix://"+dir+"/s", "--handler", "echo")
	_, complaints, status := connect(t, "hello\x1b\n", "--transcript", filepath.Join(dir, "t"), "unix://"+dir+"/s")
	require.Zero(t, status, complaints)
	text, err := os.ReadFile(filepath.Join(dir, "t"))
	require.NoError(t, err)
	require.Regexp(t, `^\S+ > hello\\x1b\\n\n\S+ < hello\\x1b\\n\n$`, string(text))
}

// An error shows what it quotes.
func TestConnectErrorVisible(t *testing.T) {
	t.Parallel()
	_, complaints, status := connect(t, "", "unix:///none\x1b[31m\u202e")
	require.Equal(t, 3, status)
	require.Contains(t, complaints, `/none\x1b[31m\u202e: no such file`)
	_, complaints, status = connect(t, "", "--\x1b[31m")
	require.Equal(t, 2, status)
	require.NotContains(t, complaints, "\x1b")
}

// A server is verified, unless somebody insists.
func TestConnectTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(server.Close)
	address := "tls://" + server.Listener.Addr().String()
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for args, want := range map[string]struct {
		status     int
		complaints string
	}{
		"":                                     {3, "name the file of its authority with --ca\n$"},
		"--ca " + ca:                           {0, "^$"},
		"--server-name example.com --ca " + ca: {0, "^$"},
		"--server-name other.test --ca " + ca:  {3, "with --server-name\n$"},
		"--insecure":                           {0, "^socketserver: warning: --insecure: "},
	} {
		out, complaints, status := connect(t, "GET / HTTP/1.0\n\n", append(strings.Fields(args), "--crlf", address)...)
		require.Equal(t, want.status, status, "%s %s", args, complaints)
		require.Regexp(t, want.complaints, complaints)
		require.Equal(t, want.status == 0, strings.HasSuffix(out, "\r\n\r\nhello"), out)
	}
}

// A client can show a certificate, whose key may be in the same file.
func TestConnectShowsACertificate(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
	server.StartTLS()
	t.Cleanup(server.Close)
	alice := ca.Issue(t, "alice")
	both := write(t, "both.pem", "")
	for _, path := range []string{alice.Certificate, alice.Key} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		f, err := os.OpenFile(both, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.Write(text)
		require.NoError(t, errors.Join(err, f.Close()))
	}
	for _, args := range [][]string{{"--certificate", alice.Certificate, "--key", alice.Key}, {"--certificate", both}} {
		out, complaints, status := connect(t, "GET / HTTP/1.0\n\n", append(args, "--insecure", "--crlf", "tls://"+server.Listener.Addr().String())...)
		require.Zero(t, status, complaints)
		require.True(t, strings.HasSuffix(out, "\r\n\r\nalice"), out)
	}
}
