package command

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Neither a pipe nor a device is opened: that could wait for ever, or do something.
func TestPipe(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600))
	for _, path := range []string{"pipe", "pipe/", "pipe/."} {
		_, err := scan(context.Background(), root, path, 10)
		require.ErrorIs(t, err, syscall.ENOTDIR)
	}
}

// While a name is a directory now and a link that leads out then, nothing of outside is
// ever listed.
func TestSwap(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	for _, dir := range []string{"root/directory", "outside/sub"} {
		require.NoError(t, os.MkdirAll(filepath.Join(top, dir), 0o755))
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "directory", "sub"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "directory", "sub", "fine"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(top, "outside", "sub", "secret"), nil, 0o600))
	require.NoError(t, os.Symlink("../outside", filepath.Join(root, "link")))

	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		at := func(name string) string { return filepath.Join(root, name) }
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(at("directory"), at("name"))
			_ = os.Rename(at("name"), at("directory"))
			_ = os.Rename(at("link"), at("name"))
			_ = os.Rename(at("name"), at("link"))
		}
	})
	for range 3000 {
		if l, err := scan(context.Background(), root, "name/sub", 10); err == nil {
			require.Equal(t, "fine", l.String())
		}
	}
	close(stop)
	swapper.Wait()
}
