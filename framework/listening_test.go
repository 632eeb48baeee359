package framework_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// A listening socket is known by its inode, also where somebody else has got its port since.
type listening struct{ network, address, inode string }

// socketOf returns the socket that s listens with.
func socketOf(t *testing.T, s *framework.BaseServer) listening {
	t.Helper()
	l := listening{network: s.Addr().Network(), address: s.Addr().String()}
	if local, err := netip.ParseAddrPort(l.address); err == nil {
		ip := local.Addr().As4()
		at := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), local.Port())
		for _, socket := range l.sockets(t) {
			if socket[1] == at && strings.HasPrefix(socket[2], "00000000:") {
				l.inode = socket[9]
			}
		}
		require.NotEmpty(t, l.inode, at)
	}
	return l
}

// sockets are the rows of all sockets of the network.
func (l listening) sockets(t *testing.T) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/" + l.network)
	if err != nil {
		t.Skip("needs /proc")
	}
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

// requireClosed requires that no process has the socket, but for those that another test is starting: they have
// copies of all descriptors of this one until they run their program.
func (l listening) requireClosed(t *testing.T) {
	t.Helper()
	if l.inode == "" {
		_, err := net.Dial(l.network, l.address)
		require.Error(t, err)
		return
	}
	eventually(t, func() bool {
		return !slices.ContainsFunc(l.sockets(t), func(socket []string) bool { return socket[9] == l.inode })
	}, l.network+" "+l.address+" is open")
}
