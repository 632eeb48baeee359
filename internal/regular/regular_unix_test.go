//go:build unix

package regular_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/internal/regular"
)

// A pipe without a writer would block for ever.
func TestWhatIsNotRegularIsRefused(t *testing.T) {
	dir := t.TempDir()
	pipe, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	require.NoError(t, os.Symlink(file, link))
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	defer socket.Close()
	for _, path := range []string{pipe, dir, os.DevNull, filepath.Join(dir, "socket")} {
		_, err := regular.Read(path, 10)
		require.ErrorIs(t, err, regular.ErrNotRegular, path)
	}
	_, err = regular.Read(filepath.Join(dir, "none"), 10)
	require.ErrorIs(t, err, os.ErrNotExist)
	text, err := regular.Read(link, 3)
	require.NoError(t, err)
	require.Equal(t, "tex", string(text))
}

func TestInputMayBeAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	text, err := regular.ReadInput(pipe, 10)
	require.NoError(t, err)
	require.Empty(t, text, "nobody writes")

	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	go func() {
		_, _ = w.WriteString("text")
		_ = w.Close()
	}()
	text, err = regular.ReadInput("/dev/fd/"+strconv.Itoa(int(r.Fd())), 10)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
}
