package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A program on standard input and output has the connection itself, or the relay of a layer. Its bytes are
// known all the same, without those of headers. On a Unix socket nobody counts them, and 0 would be wrong.
func TestBytesOfPrograms(t *testing.T) {
	t.Parallel()
	ca := frameworktest.NewAuthority(t)
	own := ca.Issue(t, "localhost")
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	conf := fmt.Sprintf("log { access = %q }\nplugins { directory = %q }\n", path, programs(t, map[string]string{
		"twice": "#!/bin/sh\nread -r line\necho \"$line$line\"\n",
	}))
	secure := fmt.Sprintf("  tls {\n    certificate = %q\n    key = %q\n  }\n", own.Certificate, own.Key)
	const proxy = "  proxy_protocol { from = [\"127.0.0.0/8\"] }\n"
	for kind, transport := range map[string]string{
		"plain": "\"tcp\" {\n  address = \"127.0.0.1:0\"\n", "udp": "\"udp\" {\n  address = \"127.0.0.1:0\"\n",
		"unix": fmt.Sprintf("\"unix\" {\n  address = %q\n", filepath.Join(dir, "socket")),
		"tcp":  "\"tcp\" {\n  address = \"127.0.0.1:0\"\n" + proxy, "tls": "\"tcp\" {\n  address = \"127.0.0.1:0\"\n" + proxy + secure,
		"ws": "\"websocket\" {\n  address = \"127.0.0.1:0\"\n" + proxy, "wss": "\"websocket\" {\n  address = \"127.0.0.1:0\"\n" + proxy + secure,
	} {
		conf += fmt.Sprintf("server %q {\n  transport %s  }\n  concurrency \"forking\" {}\n  plugin \"twice\" {}\n}\n", kind, transport)
	}
	p, listeners := serveFile(t, conf)
	want := map[string]string{}
	for _, l := range listeners {
		want[l.server] = "3 5"
		connect := dial
		if slices.Contains(proxied, l.server) {
			connect = func(t *testing.T, l listener) net.Conn { return talkThroughProxy(t, l, l.server, ca) }
		}
		conn := connect(t, l)
		require.Equal(t, "hihi\n", frameworktest.Ask(t, conn, "hi\n"), l.server)
		require.NoError(t, conn.Close())
	}
	want["unix"] = "null null"
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.exit(t))

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	got := map[string]string{}
	for line := range strings.Lines(string(text)) {
		var a struct {
			Server  string
			In, Out json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		got[a.Server] = fmt.Sprintf("%s %s", a.In, a.Out)
	}
	require.Equal(t, want, got)
}
