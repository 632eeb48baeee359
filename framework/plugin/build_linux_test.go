package plugin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where no source is known the error has the commands that make a module.
func TestNoSourceIsKnown(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "alone"), 0o700))
	_, err := (&builder{dir: dir}).overlay(&found{name: "alone", from: filepath.Join(dir, "alone")})
	require.ErrorContains(t, err, "alone && go mod init alone && go mod edit -replace "+ownModule+"=DIRECTORY-OF-ITS-SOURCE && go mod tidy")
}

// Source where this program was built is used only if nobody else could have put it there.
func TestSourceOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "built") // which everybody can write
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	within := filepath.Join(dir, "framework")
	require.NoError(t, os.Mkdir(within, 0o700))
	require.True(t, belongsTo(within, 1000), "root's")
	require.NoError(t, os.Chown(dir, 1000, 1000))
	require.True(t, belongsTo(within, 1000), "its own")
	require.False(t, belongsTo(within, 1001))
	require.True(t, belongsTo(within, 0), "another check")
	require.False(t, belongsTo(filepath.Join(dir, "gone"), 1000))
}
