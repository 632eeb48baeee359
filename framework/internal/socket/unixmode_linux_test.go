package socket

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

// What has taken the place of the socket keeps its mode, whoever may write in the directory.
func TestModeIsThatOfTheSocketAlone(t *testing.T) {
	for replaced, by := range map[string]func(secret, path string) error{"link": os.Symlink, "file": os.Link} {
		t.Run(replaced, func(t *testing.T) {
			dir := t.TempDir()
			secret, path, moved := filepath.Join(dir, "secret"), filepath.Join(dir, "s"), filepath.Join(dir, "moved")
			require.NoError(t, os.WriteFile(secret, nil, 0o600))
			l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
			require.NoError(t, err)
			defer l.Close()
			require.NoError(t, os.Rename(path, moved))
			require.NoError(t, by(secret, path))
			if _, err := setMode(l, path, 0o622); err == nil {
				require.Equal(t, os.FileMode(0o622), mode(t, moved))
			} else {
				require.ErrorIs(t, err, errReplaced)
			}
			require.Equal(t, os.FileMode(0o600), mode(t, secret))

			_, err = openNamed(path)
			require.ErrorIs(t, err, errReplaced)
			file, err := openNamed(moved)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			link := filepath.Join(dir, "link")
			require.NoError(t, os.Symlink(moved, link))
			_, err = openNamed(link)
			require.ErrorIs(t, err, errReplaced, "it is a link, though to a socket")
		})
	}
}

// A directory that becomes another one does not have its files removed.
func TestRemovalStaysInItsDirectory(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	for _, d := range []string{ours, theirs} {
		require.NoError(t, os.Mkdir(d, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(d, "s"), nil, 0o600))
	}
	require.NoError(t, inDirectory(filepath.Join(ours, "s"), func(in *os.Root, name string) error {
		require.NoError(t, os.Rename(ours, filepath.Join(dir, "moved")))
		require.NoError(t, os.Symlink(theirs, ours))
		return in.Remove(name)
	}))
	require.FileExists(t, filepath.Join(theirs, "s"))
	require.NoFileExists(t, filepath.Join(dir, "moved", "s"))

	other, err := os.Lstat(filepath.Join(dir, "moved"))
	require.NoError(t, err)
	require.NoError(t, removeSame(filepath.Join(theirs, "s"), other))
	require.FileExists(t, filepath.Join(theirs, "s"), "it is another one")
	require.NoError(t, removeSame(filepath.Join(dir, "absent", "s"), other))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	require.ErrorIs(t, removeSame(filepath.Join(dir, "fifo", "s"), other), syscall.ENOTDIR)
}
