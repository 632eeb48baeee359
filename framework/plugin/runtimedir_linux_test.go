package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework"
)

func newRuntimeDir(t *testing.T) (base string, d *runtimeDir) {
	t.Helper()
	base, err := os.MkdirTemp("", "t") // paths of t.TempDir are too long
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	d, err = makeLockedDir(base)
	require.NoError(t, err)
	return base, d
}

// A plugin has a directory of its own, in one that it cannot replace.
func TestDirectoryThatIsGiven(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	_, d := newRuntimeDir(t)
	defer d.remove()
	sockets, err := d.give(&framework.Restrictions{AsUser: true, UID: 65534, GID: 65534})
	require.NoError(t, err)
	for path, want := range map[string]string{d.path: "drwx--x--x 0", sockets: "drwx------ 65534"} {
		info, err := os.Lstat(path)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(info.Mode(), " ", info.Sys().(*syscall.Stat_t).Uid), path)
	}
}

// A tree of any depth takes none of the descriptors that clients need.
func TestWhatAPluginLeavesIsRemoved(t *testing.T) {
	base, d := newRuntimeDir(t)
	sockets, err := d.give(&framework.Restrictions{})
	require.NoError(t, err)
	outside := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(outside, nil, 0o600))
	tree := filepath.Join(sockets, "tree")
	require.NoError(t, os.Mkdir(tree, 0o700))
	for range 500 { // from the inside out, as no path is that long
		require.NoError(t, os.Rename(tree, filepath.Join(base, "inner")))
		require.NoError(t, os.Mkdir(tree, 0o700))
		require.NoError(t, os.Symlink(filepath.Dir(outside), filepath.Join(tree, "link")))
		require.NoError(t, os.Rename(filepath.Join(base, "inner"), filepath.Join(tree, "inner")))
	}

	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	few := before
	few.Cur = 100
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few))
	d.remove()
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before))
	require.NoDirExists(t, d.path)
	require.FileExists(t, outside)
}

// Directories that may not be written, as those of Go's module cache, are removed by a server that is not root, too.
func TestReadOnlyDirectoriesAreRemoved(t *testing.T) {
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		require.NoError(t, unix.Setfsuid(65534)) // of this thread, which then has no right to write them either
		defer unix.Setfsuid(0)
	}
	_, d := newRuntimeDir(t)
	at := d.path
	var made []string
	for _, name := range []string{"cache", "module", "package", "test"} {
		at = filepath.Join(at, name)
		require.NoError(t, os.Mkdir(at, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(at, "file"), nil, 0o400))
		made = append(made, at)
	}
	for _, mode := range []os.FileMode{0o500, 0} {
		require.NoError(t, os.Chmod(made[len(made)-1], mode))
		made = made[:len(made)-1]
	}
	for _, dir := range slices.Backward(made) {
		require.NoError(t, os.Chmod(dir, 0o500))
	}
	require.Error(t, os.RemoveAll(d.path))
	d.remove()
	require.NoDirExists(t, d.path)
}

// What takes long to remove is left to the next server that starts.
func TestLargeDirectoryIsRemovedInParts(t *testing.T) {
	base, d := newRuntimeDir(t)
	for i := range maxRemoved + 500 {
		require.NoError(t, os.WriteFile(filepath.Join(d.path, fmt.Sprint(i)), nil, 0o600))
	}
	d.remove()
	require.DirExists(t, d.path)
	old := time.Now().Add(-2 * unlocked)
	require.NoError(t, os.Chtimes(d.path, old, old))
	sweepRuntimeDirs(base)
	require.NoDirExists(t, d.path)
}

// The directory of another server, at the path of one that was removed from outside, stays.
func TestReplacedDirectoryIsKept(t *testing.T) {
	for name, replace := range map[string]func(path, other string) error{
		"by a directory": func(path, other string) error { return os.Rename(other, path) },
		"by a link":      func(path, other string) error { return os.Symlink(other, path) },
	} {
		t.Run(name, func(t *testing.T) {
			_, d := newRuntimeDir(t)
			other := filepath.Join(t.TempDir(), "other")
			require.NoError(t, os.Mkdir(other, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(other, "file"), nil, 0o600))
			require.NoError(t, os.Remove(d.path))
			require.NoError(t, replace(d.path, other))
			d.remove()
			require.FileExists(t, filepath.Join(d.path, "file"))
		})
	}
}
