package client

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func bracketed(text string) []string { return []string{"[" + text + "]"} }

// A datagram is a line, and as many answers as lines are the end.
func TestDatagrams(t *testing.T) {
	t.Parallel()
	for network, address := range map[string]string{"udp": "127.0.0.1:0", "unixgram": filepath.Join(t.TempDir(), "s")} {
		server := servePackets(t, network, address, bracketed)
		for _, test := range []struct {
			Settings
			input, got string
		}{
			{Settings{Mode: Duplex}, "one\ntwo", "|[one\n]|[two]"},
			{Settings{Mode: Duplex, Framing: Chunk}, "one\n\ntwo\n", "|[one]|[two]"},
			{Settings{Mode: Ask, Framing: Chunk}, "one\ntwo\n", "|[one]|[two]"},
			{Settings{Mode: Each}, "one\ntwo", "|[one\n]|[two\n]"},
			{Settings{Mode: Once}, "one\ntwo\n", "|[one\ntwo\n]"},
			{Settings{Mode: Once, Framing: Chunk}, "one\ntwo\n", "|[one\ntwo]"},
			{Settings{Mode: Once}, "", ""},
			{Settings{Mode: Duplex}, "", ""},
		} {
			test.Address = server
			got, err := hold(t, test.Settings, test.input)
			require.NoError(t, err)
			require.Equal(t, test.got, got)
		}
	}
}

// A datagram that gets lost hangs nobody, and what came before it is there.
func TestDatagramLost(t *testing.T) {
	t.Parallel()
	server := servePackets(t, "udp", "127.0.0.1:0", func(text string) []string {
		if strings.Contains(text, "lost") {
			return nil
		}
		return bracketed(text)
	})
	for _, mode := range []string{Duplex, Ask, Each} {
		got, err := hold(t, Settings{Address: server, Mode: mode, Framing: Chunk, Timeout: time.Second}, "one\nlost\n")
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, "|[one]", got)
	}
	_, err := hold(t, Settings{Address: server, Mode: Once, Timeout: 50 * time.Millisecond}, "lost")
	require.ErrorIs(t, err, ErrTimeout)
	require.Equal(t, patience, (&Settings{Address: server}).answering())
}

// An answer may be empty.
func TestDatagramEmpty(t *testing.T) {
	t.Parallel()
	server := servePackets(t, "udp", "127.0.0.1:0", func(string) []string { return []string{""} })
	got, err := hold(t, Settings{Address: server, Mode: Ask}, "one\ntwo\n")
	require.NoError(t, err)
	require.Equal(t, "||", got)
}

func TestDatagramNobody(t *testing.T) {
	t.Parallel()
	nobody := Address{Network: "udp", Host: frameworktest.Address(t, "udp")}
	for _, mode := range []string{Duplex, Ask, Once} {
		_, err := hold(t, Settings{Address: nobody, Mode: mode}, "one\n")
		var unconnected *ConnectError
		require.ErrorAs(t, err, &unconnected)
		require.ErrorContains(t, err, ": connection refused; start the server")
	}
}

func TestDatagramTooLong(t *testing.T) {
	t.Parallel()
	server := servePackets(t, "udp", "127.0.0.1:0", bracketed)
	for _, mode := range []string{Duplex, Once} {
		_, err := hold(t, Settings{Address: server, Mode: mode}, strings.Repeat("x", maxMessage-1)+"\n")
		require.ErrorContains(t, err, "longer than a datagram can be; send ")
		_, err = hold(t, Settings{Address: server, Mode: mode}, strings.Repeat("x", 65508))
		require.ErrorContains(t, err, "65508 bytes is longer than a datagram")
	}
	// A Unix socket would take what else is cut off there.
	server = servePackets(t, "unixgram", filepath.Join(t.TempDir(), "s"), bracketed)
	for _, mode := range []string{Duplex, Once} {
		got, err := hold(t, Settings{Address: server, Mode: mode}, strings.Repeat("x", maxMessage+1))
		require.ErrorContains(t, err, "longer than a datagram can be; send ")
		require.Empty(t, got)
	}
}
