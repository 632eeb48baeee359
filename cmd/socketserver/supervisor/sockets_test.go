package supervisor_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Port 0 of localhost is one port for both families, another one for each transport, and stays
// when the server changes.
func TestPortZeroKeepsItsPort(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		transport := `transport "` + network + `" { address = "localhost:0" }`
		twice := transport + "\n" + transport
		s := start(t, server("s", twice, `"threading" {}`, "1", "")+server("other", transport, `"threading" {}`, "1", ""))
		before := s.status(t, "s").Listeners
		ports := map[string]bool{}
		for _, l := range append(before, s.status(t, "other").Listeners...) {
			_, port, err := net.SplitHostPort(l.Address)
			require.NoError(t, err)
			ports[port] = true
		}
		require.Len(t, ports, 3)
		s.apply(t, server("s", twice, `"synchronous" {}`, "2", "")+server("other", transport, `"threading" {}`, "1", ""))
		require.Equal(t, before, s.status(t, "s").Listeners)
		for _, l := range before {
			conn := dial(t, l)
			for late := time.Now().Add(frameworktest.Patience); frameworktest.Ask(t, conn, "hello") != "2hello"; { // a loop may still take one
				require.True(t, network == "udp" && time.Now().Before(late))
			}
			require.NoError(t, conn.Close()) // the synchronous server has others to serve
		}
	}
}

func TestOptionsOfOpenSocketCannotBeChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	transport := func(mode string) string {
		return `transport "unix" {
			address = "` + path + `"
			mode = "` + mode + `"
		}`
	}
	s := start(t, server("s", transport("0600"), `"threading" {}`, "1", ""))
	_, err := s.Apply(t.Context(), s.parse(t, server("s", transport("0666"), `"threading" {}`, "1", "")))
	require.ErrorContains(t, err, "unix "+path+" is open, and its mode cannot change; restart to change it, or choose another address")
	require.Equal(t, "1hello", frameworktest.Ask(t, dial(t, s.status(t, "s").Listeners[0]), "hello"))
}

// The file of a Unix socket stays while servers replace each other and is removed with the last.
func TestFileOfUnixSocket(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		path := filepath.Join(t.TempDir(), "s")
		transport := `transport "` + network + `" { address = "` + path + `" }`
		other := server("other", anyPort, `"threading" {}`, "", "")
		s := start(t, server("s", transport, `"threading" {}`, "1", "")+other)
		s.apply(t, server("s", transport, `"threading" {}`, "2", "")+other)
		s.log.await(t, "stopped", 1)
		conn := dial(t, s.status(t, "s").Listeners[0])
		require.Equal(t, "2hello", frameworktest.Ask(t, conn, "hello"))
		require.NoError(t, conn.Close())
		s.apply(t, other)
		s.log.await(t, "stopped", 2)
		require.NoFileExists(t, path)
	}
}
