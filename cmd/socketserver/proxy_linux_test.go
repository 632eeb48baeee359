package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// proxied are the transports of a server that is behind a proxy, in their order.
var proxied = []string{"tcp", "tls", "ws", "wss"}

// whoPlugins answer a line with their client's address and port and the line, as timestamp does.
var whoPlugins = map[string]string{
	"who.sh": "#!/bin/sh\nread -r line\necho \"$REMOTE_ADDR:$REMOTE_PORT $line\"\n",
	"who.py": "import socketserver\nclass H(socketserver.StreamRequestHandler):\n    def handle(self):\n" +
		"        self.wfile.write(b'%s:%d %s' % (self.client_address[0].encode(), self.client_address[1], self.rfile.readline()))\n",
}

// behindProxy is a server that has a transport of each kind of proxied, and one with a socket of systemd of
// that name.
func behindProxy(handler, strategy, socket string, c frameworktest.Certificate) string {
	const proxy = "  proxy_protocol { from = [\"127.0.0.0/8\"] }\n"
	var all strings.Builder
	for _, kind := range append(proxied, "systemd") {
		word, address, secure := "tcp", "127.0.0.1:0", ""
		switch kind {
		case "ws", "wss":
			word = "websocket"
		case "systemd":
			address = "fd/" + socket
		}
		if kind == "tls" || kind == "wss" {
			secure = fmt.Sprintf("  tls {\n    certificate = %q\n    key = %q\n  }\n", c.Certificate, c.Key)
		}
		fmt.Fprintf(&all, "transport %q {\n  address = %q\n%s%s}\n", word, address, proxy, secure)
	}
	name := strings.Fields(strings.ReplaceAll(handler, `"`, " "))
	return fmt.Sprintf("server \"%s %s %s\" {\n%sconcurrency %q {}\n%s\n}\n", name[0], name[1], strategy, all.String(), strategy, handler)
}

// A handler and a plugin of each kind see the client that a PROXY header names, also where TLS, WebSocket or
// both follow it, on sockets of this process and of systemd.
func TestClientsBehindAProxy(t *testing.T) {
	t.Parallel()
	source, err := filepath.Abs("../../plugins/timestamp")
	require.NoError(t, err)
	conf := fmt.Sprintf("plugins { directory = %q }\nplugin \"timestamp\" { path = %q }\n", programs(t, whoPlugins), source)
	ca := frameworktest.NewAuthority(t)
	own := ca.Issue(t, "localhost")
	var sockets []passed
	const format = `{ format = "{client} {data}" }`
	for handler, strategies := range map[string][2]string{ // of each run, and those of the long one besides
		`handler "timestamp" ` + format: {"threading preforking", "synchronous forking"},
		`plugin "timestamp" ` + format:  {"", "synchronous threading forking preforking"}, // it has to be built
		`plugin "who.sh" {}`:            {"forking", "synchronous threading"},
		`plugin "who.py" {}`:            {"forking", "synchronous threading preforking"},
	} {
		if _, err := exec.LookPath("python3"); err != nil && strings.Contains(handler, ".py") {
			continue
		}
		for _, strategy := range strings.Fields(strings.Join(strategies[:often(1, 2)], " ")) {
			socket := open(t, fmt.Sprint("web", len(sockets)), "tcp", "127.0.0.1:0")
			sockets = append(sockets, socket)
			conf += behindProxy(handler, strategy, socket.name, own)
		}
	}
	servers := map[string][]listener{}
	for _, l := range activate(t, conf, sockets...).awaitListening(t) {
		servers[l.server] = append(servers[l.server], l)
	}
	for name, listeners := range servers {
		t.Run(name, func(t *testing.T) {
			for n, kind := range append(proxied, "systemd") {
				conn := talkThroughProxy(t, listeners[n], kind, ca)
				require.Equal(t, "192.0.2.7:5555 hello\n", frameworktest.Ask(t, conn, "hello\n"), kind)
				require.NoError(t, conn.Close())
			}
		})
	}
}

// talkThroughProxy connects as a proxy does for the client 192.0.2.7:5555, which then does what kind says.
func talkThroughProxy(t *testing.T, l listener, kind string, ca *frameworktest.Authority) net.Conn {
	t.Helper()
	conn := dial(t, l)
	frameworktest.Send(t, conn, "PROXY TCP4 192.0.2.7 198.51.100.1 5555 443\r\n")
	if kind == "tls" || kind == "wss" {
		conn = layer.ClientConn(conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
	}
	if kind == "ws" || kind == "wss" {
		web, err := websocket.Client(conn, &url.URL{Scheme: "ws", Host: l.address, Path: "/"})
		require.NoError(t, err)
		return web
	}
	return conn
}
