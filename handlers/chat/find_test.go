package chat_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/handlers/chat/operator"
)

// The error for an unknown server lists the known ones.
func TestUnknownServerListsOthers(t *testing.T) {
	s := serveDesk(t, `{"mode": "full-duplex"}`)
	dir := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "socketserver")
	t.Setenv("TMPDIR", t.TempDir())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "no socket.console"), nil, 0o600))
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "killed.console"), Net: "unix"})
	require.NoError(t, err)
	left.SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	require.Equal(t, []string{"desk"}, operator.Names())
	_, err = operator.Find("other")
	require.EqualError(t, err, `no server "other" of yours has an operator; there are desk, or give the path in its option operator`)
	require.NoError(t, s.Close())
	require.Empty(t, operator.Names())
	_, err = operator.Find("other")
	require.ErrorContains(t, err, `no server "other" of yours has an operator; start one with handler "chat"`)
}
