package plugin

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework"
)

// What a user has put in the place of a directory that it is given does not become its own.
func TestGivenDirectoriesAreNoLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	owner := func(path string) uint32 {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		return info.Sys().(*syscall.Stat_t).Uid
	}
	outer, secret := t.TempDir(), t.TempDir()
	inner := filepath.Join(outer, "sockets")
	require.NoError(t, os.Symlink(secret, inner))
	require.NoError(t, giveTo(&framework.Restrictions{AsUser: true, UID: 65534, GID: 65534}, inner, outer))
	require.Equal(t, []uint32{65534, 65534, 0}, []uint32{owner(outer), owner(inner), owner(secret)})
}
