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

// TestMatrix has a server for every transport under every strategy, in servers.hcl alone,
// once with the handler compiled in, once with it in a plugin, and in the long run in plugins of other
// kinds. What cannot be is refused with the reason.
func TestMatrix(t *testing.T) {
	for _, kind := range []string{"handler", "go", "python", "stdio", "wasm"}[:often(2, 5)] {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("python3"); err != nil && kind == "python" {
				t.Skip("needs python3")
			}
			ca := frameworktest.NewAuthority(t)
			text, refused := matrix(t, kind, ca.Issue(t, "localhost"))
			for _, conf := range refused {
				said, err := exec.Command("socketserver", "validate", "-c", write(t, "refused.hcl", conf)).CombinedOutput()
				require.Error(t, err)
				require.Regexp(t, `"(preforking|unixpacket)" cannot (run|serve) it, as it is a program `, string(said))
			}
			_, listeners := serveFile(t, text)
			require.Len(t, listeners, 36-len(refused))
			for _, l := range listeners {
				t.Run(l.server, func(t *testing.T) {
					t.Parallel()
					switch network, _, _ := strings.Cut(l.server, "-"); network {
					case "tls", "proxy":
						secureCell(t, l, ca)
					case "ws", "wss":
						webCell(t, l, network, ca)
					default:
						cell(t, l)
					}
				})
			}
		})
	}
}

// echoPlugins are programs for matrix. Those whose names begin with d answer datagrams.
var echoPlugins = map[string]string{
	"echo.sh": "#!/bin/sh\nexec cat\n", "echo.wasm": echoModule,
	"echo.py": "import socketserver\nclass H(socketserver.BaseRequestHandler):\n    def handle(self):\n" +
		"        while data := self.request.recv(1024):\n            self.request.sendall(data)\n",
	"decho.py": "import socketserver\nclass H(socketserver.DatagramRequestHandler):\n    def handle(self):\n        self.wfile.write(self.rfile.read())\n",
}

// matrix is a configuration; a server is named after its cell. refused has one for each cell that cannot be.
func matrix(t *testing.T, kind string, c frameworktest.Certificate) (text string, refused []string) {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	if kind != "go" {
		plugins = programs(t, echoPlugins)
	}
	head := fmt.Sprintf("plugins { directory = %q }\n", plugins)
	text = head
	for _, network := range []string{"tcp", "tls", "proxy", "ws", "wss", "udp", "unix", "unixpacket", "unixgram"} {
		for _, strategy := range []string{"synchronous", "threading", "forking", "preforking"} {
			name, address := network+"-"+strategy, "127.0.0.1:0"
			if strings.HasPrefix(network, "unix") {
				address = name + ".socket"
			}
			transport := fmt.Sprintf("transport %q { address = %q }", network, address)
			switch network {
			case "tls":
				transport = secureTransport(address, c)
			case "proxy":
				transport = strings.Replace(secureTransport(address, c), "tls {", "proxy_protocol { from = [\"127.0.0.1\"] }\n  tls {", 1)
			case "ws":
				transport = "transport \"websocket\" {\n  address = \"127.0.0.1:0\"\n  message = \"binary\"\n}"
			case "wss":
				transport = strings.Replace(secureTransport(address, c), `"tcp" {`, "\"websocket\" {\n  path = \"/echo\"", 1)
			}
			server := fmt.Sprintf("\nserver %q {\n%s\nconcurrency %q {}\n%s {}\n}\n", name, transport, strategy, echoOf(kind, network))
			if kind == "stdio" && (strategy == "preforking" || network == "unixpacket") {
				refused = append(refused, head+server)
			} else {
				text += server
			}
		}
	}
	return text, refused
}

// echoOf is what echoes in a kind of handler.
func echoOf(kind, network string) string {
	switch {
	case kind == "python" && (network == "udp" || network == "unixgram"):
		return `plugin "decho.py"`
	case kind == "handler":
		return `handler "echo"`
	}
	return fmt.Sprintf("plugin %q", "echo"+map[string]string{"python": ".py", "stdio": ".sh", "wasm": ".wasm"}[kind])
}

func secureTransport(address string, c frameworktest.Certificate) string {
	return fmt.Sprintf("transport \"tcp\" {\n  address = %q\n  tls {\n    certificate = %q\n    key = %q\n  }\n}", address, c.Certificate, c.Key)
}

// secureCell has clients of TLS, one after the other, who end what they send before what they read. A proxy may be
// before them.
func secureCell(t *testing.T, l listener, ca *frameworktest.Authority) {
	for range 2 {
		under := dial(t, l)
		if strings.HasPrefix(l.server, "proxy") {
			frameworktest.Send(t, under, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n")
		}
		conn := secured(under, ca, &tls.Config{})
		require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
		frameworktest.Send(t, conn, "last")
		require.Equal(t, "last", frameworktest.End(t, conn))
		require.NoError(t, conn.Close())
	}
}

// webCell has clients of WebSocket: bytes come back as they are, and lines as lines.
func webCell(t *testing.T, l listener, scheme string, ca *frameworktest.Authority) {
	for range 2 {
		conn := dial(t, l)
		path := "/"
		if scheme == "wss" {
			conn, path = dialTLS(t, l, ca, &tls.Config{}), "/echo"
		}
		web, err := websocket.Client(conn, &url.URL{Scheme: "ws", Host: l.address, Path: path})
		require.NoError(t, err)
		line := "hello"
		if scheme == "wss" {
			line += "\n"
		}
		require.Equal(t, line, frameworktest.Ask(t, web, line))
		require.Empty(t, frameworktest.End(t, web))
		require.NoError(t, web.Close())
	}
}

// dialTLS connects to a server with a certificate for localhost. Its end without close_notify is an error.
func dialTLS(t *testing.T, l listener, ca *frameworktest.Authority, c *tls.Config) net.Conn {
	t.Helper()
	return secured(dial(t, l), ca, c)
}

// secured is the client's side of TLS on conn, with a server as for dialTLS.
func secured(conn net.Conn, ca *frameworktest.Authority, c *tls.Config) net.Conn {
	c.RootCAs, c.ServerName = ca.Pool(), "localhost"
	return layer.ClientConn(conn, c)
}

// cell has several clients at once. Those of a synchronous server that have connections get
// their answers one after the other.
func cell(t *testing.T, l listener) {
	network, strategy, _ := strings.Cut(l.server, "-")
	require.Equal(t, l.network, network)
	inTurn := strategy == "synchronous" && (network == "tcp" || network == "unix" || network == "unixpacket")
	var conns []net.Conn
	for i := range 3 {
		conn := dial(t, l)
		conns = append(conns, conn)
		frameworktest.Send(t, conn, fmt.Sprintf("hello %d", i))
		if !inTurn {
			require.Equal(t, fmt.Sprintf("hello %d", i), receive(t, conn))
		}
	}
	if inTurn {
		requireSilence(t, conns[1])
	}
	for i, conn := range conns {
		if inTurn {
			require.Equal(t, fmt.Sprintf("hello %d", i), receive(t, conn))
		}
		require.Equal(t, "again", frameworktest.Ask(t, conn, "again"))
		require.NoError(t, conn.Close())
	}
}
