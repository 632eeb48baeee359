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
