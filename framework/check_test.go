//go:build unix

package framework_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// CheckSocket returns the error of OpenSocket, unless that is of an address in use.
func TestCheckSocket(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	for _, c := range []struct{ network, address string }{
		{"unix", dir + "/absent/s"}, {"unixgram", dir + "/file"}, {"tcp", "192.0.2.1:0"}, {"udp", "[2001:db8::1]:0"},
	} {
		_, want := framework.OpenSocket(c.network, c.address, framework.SocketOptions{})
		require.Error(t, want)
		got := framework.CheckSocket(c.network, c.address, framework.SocketOptions{})
		for _, err := range []*error{&want, &got} {
			if operation, ok := (*err).(*net.OpError); ok { //nolint:errorlint // as it is returned
				*err = operation.Err // without the network
			}
		}
		require.EqualError(t, got, want.Error(), c.address)
	}

	for network, address := range map[string]string{"unix": dir + "/s", "tcp": "127.0.0.1:0", "udp": "127.0.0.1:0"} {
		require.NoError(t, framework.CheckSocket(network, address, framework.SocketOptions{}))
		s, err := framework.OpenSocket(network, address, framework.SocketOptions{})
		require.NoError(t, err, "nothing was left open")
		defer s.Close()
		require.NoError(t, framework.CheckSocket(network, s.Addr().String(), framework.SocketOptions{}), "in use")
	}
	require.NoError(t, framework.CheckSocket("udp", "239.1.2.3:9000", framework.SocketOptions{}))
}
