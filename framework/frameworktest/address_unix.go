//go:build unix

package frameworktest

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Address returns an address of the loopback interface where nobody serves tcp or udp, and which nobody else gets
// until the test ends: clients are refused. A test may listen there itself by tcp, then or later.
func Address(t testing.TB, network string) string {
	t.Helper()
	loopback, kind := [4]byte{127, 0, 0, 1}, syscall.SOCK_STREAM
	if network == "udp" {
		kind = syscall.SOCK_DGRAM
	}
	fd, err := syscall.Socket(syscall.AF_INET, kind, 0)
	require.NoError(t, err)
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if network == "udp" { // it receives from its peer alone
		require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet4{Addr: loopback, Port: 1}))
	} else { // it does not listen, and leaves the port to a socket that does
		require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
		require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback}))
	}
	local, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return netip.AddrPortFrom(netip.AddrFrom4(loopback), uint16(local.(*syscall.SockaddrInet4).Port)).String()
}
