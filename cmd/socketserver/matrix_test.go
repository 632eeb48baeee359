package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// TestMatrix has a server for every transport under every strategy, in servers.hcl alone,
// once with the handler compiled in and once with it in a plugin.
func TestMatrix(t *testing.T) {
	for _, kind := range []string{"handler", "plugin"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			_, listeners := serveFile(t, matrix(t, kind))
			require.Len(t, listeners, 16)
			for _, l := range listeners {
				t.Run(l.server, func(t *testing.T) {
					t.Parallel()
					cell(t, l)
				})
			}
		})
	}
}

// matrix is a configuration; a server is named after its cell.
func matrix(t *testing.T, kind string) string {
	plugins, err := filepath.Abs("../../plugins")
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "plugins { directory = %q }\n", plugins)
	for _, network := range []string{"tcp", "udp", "unix", "unixgram"} {
		for _, strategy := range []string{"synchronous", "threading", "forking", "preforking"} {
			name, address := network+"-"+strategy, "127.0.0.1:0"
			if strings.HasPrefix(network, "unix") {
				address = name + ".socket"
			}
			fmt.Fprintf(&b, `
server %q {
  transport %q { address = %q }
  concurrency %q {}
  %s "echo" {}
}
`, name, network, address, strategy, kind)
		}
	}
	return b.String()
}

// cell has several clients at once. Those of a synchronous server that have connections get
// their answers one after the other.
func cell(t *testing.T, l listener) {
	network, strategy, _ := strings.Cut(l.server, "-")
	require.Equal(t, l.network, network)
	inTurn := strategy == "synchronous" && (network == "tcp" || network == "unix")
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
