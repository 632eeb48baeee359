package main

import (
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// limited is a configuration of an echo server with blocks of its own.
func limited(concurrency, blocks string) string {
	return `
server "echo" {
  transport "tcp" { address = "127.0.0.1:0" }
  concurrency ` + concurrency + `
  handler "echo" {}
  ` + blocks + `
}
`
}

func TestConnectionsRefuse(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, limited(`"threading" {}`, `
  limits {
    connections = 1
    when_full   = "refuse"
    banner      = "busy\n"
  }`))
	first := dial(t, listeners[0])
	require.Equal(t, "hello", frameworktest.Ask(t, first, "hello"))
	banner, err := io.ReadAll(dial(t, listeners[0]))
	require.NoError(t, err)
	require.Equal(t, "busy\n", string(banner))
	p.await(t, "client refused: limit reached", event{"server": "echo", "limit": "connections", "value": 1.0})
	require.Equal(t, "still", frameworktest.Ask(t, first, "still"))
}

// requireWaits requires that what comes while a server is full is answered in its turn.
func requireWaits(t *testing.T, l listener) {
	t.Helper()
	first := dial(t, l)
	require.Equal(t, "hello", frameworktest.Ask(t, first, "hello"))
	second := dial(t, l)
	frameworktest.Send(t, second, "me too")
	requireSilence(t, second)
	require.Equal(t, "still", frameworktest.Ask(t, first, "still"))
	require.NoError(t, first.Close())
	require.Equal(t, "me too", receive(t, second))
}

func TestConnectionsWait(t *testing.T) {
	t.Parallel()
	_, listeners := serveFile(t, limited(`"threading" {}`, `limits { connections = 1 }`))
	requireWaits(t, listeners[0])
}

func TestMaxThreads(t *testing.T) {
	t.Parallel()
	_, listeners := serveFile(t, limited(`"threading" { max_threads = 1 }`, `limits { per_source = 2 }`))
	requireWaits(t, listeners[0])
}

func TestMaxChildren(t *testing.T) {
	t.Parallel()
	_, listeners := serveFile(t, limited(`"forking" { max_children = 1 }`, `limits { per_source = 2 }`))
	requireWaits(t, listeners[0])
}

// One client gets only its share; another one is still served.
func TestPerSource(t *testing.T) {
	t.Parallel()
	p, listeners := serveFile(t, limited(`"threading" {}`, `limits { per_source = 1 }`))
	require.Equal(t, "hello", frameworktest.Ask(t, dial(t, listeners[0]), "hello"))
	requireEnd(t, dial(t, listeners[0]))
	p.await(t, "client refused: limit reached", event{"limit": "per_source", "value": 1.0})
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := other.DialContext(t.Context(), "tcp", listeners[0].address)
	if err != nil {
		t.Skipf("there is no second loopback address: %v", err)
	}
	defer conn.Close()
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
}

// A client that is silent, or takes too long, is let go, in whatever process it is served.
func TestTimeouts(t *testing.T) {
	for _, concurrency := range []string{`"threading" {}`, `"forking" {}`} {
		for _, timeout := range []string{"idle", "read", "request"} {
			t.Run(concurrency+timeout, func(t *testing.T) {
				t.Parallel()
				_, listeners := serveFile(t, limited(concurrency, `timeouts { `+timeout+` = "300ms" }`))
				requireEnd(t, dial(t, listeners[0]))
			})
		}
	}
}

// A client that does not read what it is sent is let go, too.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	_, listeners := serveFile(t, limited(`"threading" {}`, `timeouts { write = "300ms" }`))
	conn := dial(t, listeners[0])
	for block := make([]byte, 1<<16); ; {
		_, err := conn.Write(block)
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			break
		}
	}
}
