package supervisor_test

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// freeAddress returns an address that can be bound: of udp one of the loopback network that no client has.
func freeAddress(t *testing.T, network string) string {
	t.Helper()
	switch network {
	case "tcp":
		return frameworktest.Address(t, network)
	case "udp":
		c, err := net.ListenPacket(network, "127.0.0.77:0")
		require.NoError(t, err)
		require.NoError(t, c.Close())
		return c.LocalAddr().String()
	}
	return filepath.Join(t.TempDir(), "s")
}

// requireState requires that a server is in a state, and that its clients find it so.
func requireState(t *testing.T, s *running, name string, state supervisor.State) {
	t.Helper()
	status := s.status(t, name)
	require.Equal(t, state, status.State)
	l := status.Listeners[0]
	switch {
	case state == supervisor.Serving:
		conn := dial(t, l)
		require.Equal(t, name+"hello", frameworktest.Ask(t, conn, "hello"))
		require.NoError(t, conn.Close())
	case l.Network == "udp", l.Network == "unixgram": // it passes too easily on a slow machine
		c := dial(t, l)
		_, err := c.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, err = c.Read(make([]byte, 10))
		require.Error(t, err)
	default:
		_, err := net.Dial(l.Network, l.Address)
		require.Error(t, err)
	}
}

// Servers are suspended by name, whatever address a reload gives them, and whoever had that address.
func TestSuspensionStaysWithItsServer(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "unixpacket", "udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			at := []string{freeAddress(t, network), freeAddress(t, network), freeAddress(t, network)}
			block := func(name, address string) string {
				return server(name, `transport "`+network+`" { address = "`+address+`" }`, `"threading" {}`, name, "")
			}
			s := start(t, block("a", at[0])+block("b", at[1]))
			require.NoError(t, s.Suspend("a"))
			requireState(t, s, "a", supervisor.Suspended)
			s.apply(t, block("a", at[1])+block("b", at[0]))
			s.log.await(t, "stopped", 2)
			requireState(t, s, "a", supervisor.Suspended)
			requireState(t, s, "b", supervisor.Serving)
			s.apply(t, block("c", at[1])+block("a", at[2])+block("b", at[0]))
			s.log.await(t, "stopped", 3)
			requireState(t, s, "a", supervisor.Suspended)
			requireState(t, s, "b", supervisor.Serving)
			requireState(t, s, "c", supervisor.Serving)
			require.NoError(t, s.Resume("a"))
			requireState(t, s, "a", supervisor.Serving)

			require.NoError(t, s.Suspend("a"))
			require.NoError(t, s.Stop(t.Context(), "a"))
			was, err := s.Stopped("a")
			require.NoError(t, err)
			again := *was
			again.Class, err = s.catalog.Class(was)
			require.NoError(t, err)
			require.NoError(t, s.Start(t.Context(), &again))
			requireState(t, s, "a", supervisor.Serving)
		})
	}
}

// A server whose socket's place another file has taken is suspended, and says so, until that has gone.
func TestServerThatCannotBeResumed(t *testing.T) {
	path := freeAddress(t, "unix")
	block := func(name string) string {
		return server(name, `transport "unix" { address = "`+path+`" }`, `"threading" {}`, name, "")
	}
	s := start(t, block("a"))
	require.NoError(t, s.Suspend("a"))
	other, err := net.Listen("unix", path)
	require.NoError(t, err)
	s.apply(t, block("c"))
	require.Equal(t, supervisor.Suspended, s.status(t, "c").State)
	s.log.await(t, "suspended, as one of its sockets still is", 1)
	require.ErrorContains(t, s.Resume("c"), "there is another file at "+path+"; remove it")
	require.NoError(t, other.Close())
	require.NoError(t, s.Resume("c"))
	requireState(t, s, "c", supervisor.Serving)
}
