package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
	"github.com/go-socketserver/socketserver/framework/layer"
	"github.com/go-socketserver/socketserver/framework/layer/websocket"
)

// TestMatrix has a server for every transport under every strategy, in servers.hcl alone,
// once with the handler compiled in and once with it in a plugin.
func TestMatrix(t *testing.T) {
	for _, kind := range []string{"handler", "plugin"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ca := frameworktest.NewAuthority(t)
			_, listeners := serveFile(t, matrix(t, kind, ca.Issue(t, "localhost")))
			require.Len(t, listeners, 32)
			for _, l := range listeners {
				t.Run(l.server, func(t *testing.T) {
					t.Parallel()
					switch network, _, _ := strings.Cut(l.server, "-"); network {
					case "tls":
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

// matrix is a configuration; a server is named after its cell.
func matrix(t *testing.T, kind string, c frameworktest.Certificate) string {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "plugins { directory = %q }\n", plugins)
	for _, network := range []string{"tcp", "tls", "ws", "wss", "udp", "unix", "unixpacket", "unixgram"} {
		for _, strategy := range []string{"synchronous", "threading", "forking", "preforking"} {
			name, address := network+"-"+strategy, "127.0.0.1:0"
			if strings.HasPrefix(network, "unix") {
				address = name + ".socket"
			}
			transport := fmt.Sprintf("transport %q { address = %q }", network, address)
			switch network {
			case "tls":
				transport = secureTransport(address, c)
			case "ws":
				transport = "transport \"websocket\" {\n  address = \"127.0.0.1:0\"\n  message = \"binary\"\n}"
			case "wss":
				transport = strings.Replace(secureTransport(address, c), `"tcp" {`, "\"websocket\" {\n  path = \"/echo\"", 1)
			}
			fmt.Fprintf(&b, `
server %q {
  %s
  concurrency %q {}
  %s "echo" {}
}
`, name, transport, strategy, kind)
		}
	}
	return b.String()
}

func secureTransport(address string, c frameworktest.Certificate) string {
	return fmt.Sprintf("transport \"tcp\" {\n  address = %q\n  tls {\n    certificate = %q\n    key = %q\n  }\n}", address, c.Certificate, c.Key)
}

// secureCell has clients of TLS, one after the other, who end what they send before what they read.
func secureCell(t *testing.T, l listener, ca *frameworktest.Authority) {
	for range 2 {
		conn := dialTLS(t, l, ca, &tls.Config{})
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
	c.RootCAs, c.ServerName = ca.Pool(), "localhost"
	return layer.ClientConn(dial(t, l), c)
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
