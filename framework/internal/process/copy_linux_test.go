package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startCopy starts a private copy of a program, which exits at once.
func startCopy(path string) error {
	image, err := PinCopy(path)
	if err != nil {
		return err
	}
	defer image.Close()
	p, err := Start(Command{Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=exit"), Stdout: os.Stdout, Stderr: os.Stderr})
	if err == nil {
		_, err = p.Wait()
	}
	return err
}

// programs are n copies of this program.
func programs(t *testing.T, n int) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for range n {
		paths = append(paths, filepath.Join(dir, string(rune('a'+len(paths)))))
		out, err := exec.Command("cp", os.Args[0], paths[len(paths)-1]).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return paths
}

// A copy starts while other processes are forked and other copies are made.
func TestCopiesStartWhileOthersFork(t *testing.T) {
	for name, paths := range map[string][]string{"one program": programs(t, 1), "several programs": programs(t, 4)} {
		t.Run(name, func(t *testing.T) {
			foreign := make(chan struct{})
			var forking sync.WaitGroup
			forking.Go(func() { // by package os/exec
				for {
					select {
					case <-foreign:
						return
					default:
						_ = exec.Command("true").Run()
					}
				}
			})
			failed := make(chan error, 8)
			for i := range cap(failed) {
				go func() {
					var err error
					for range 3 {
						if err = startCopy(paths[i%len(paths)]); err != nil {
							break
						}
					}
					failed <- err
				}()
			}
			for range cap(failed) {
				require.NoError(t, <-failed)
			}
			close(foreign)
			forking.Wait()
			require.Empty(t, copies.all)
		})
	}
}

// Users of one program share a copy; another content has another.
func TestCopiesAreShared(t *testing.T) {
	path := programs(t, 1)[0]
	first, err := PinCopy(path)
	require.NoError(t, err)
	second, err := PinCopy(path)
	require.NoError(t, err)
	require.Same(t, first, second)
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(1, 0)))
	third, err := PinCopy(path)
	require.NoError(t, err)
	require.NotSame(t, first, third)
	require.NoError(t, first.Close())
	require.NoError(t, startCopy(path))
	for _, image := range []*Image{second, third} {
		require.NoError(t, image.Close())
	}
	require.Empty(t, copies.all)
}

// A program that is being written is waited for, for a moment.
func TestStartOfAProgramThatIsBeingWritten(t *testing.T) {
	path := programs(t, 1)[0]
	writer, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	image, err := Pin(path)
	require.NoError(t, err)
	defer image.Close()
	time.AfterFunc(50*time.Millisecond, func() { _ = writer.Close() })
	p, err := Start(Command{Image: image, Args: []string{"child"}, Env: append(Environment(), "TEST_CHILD=exit"), Stdout: os.Stdout, Stderr: os.Stderr})
	require.NoError(t, err)
	_, err = p.Wait()
	require.NoError(t, err)
}

// While a copy is written no process is forked: it would have the copy open, too, and the system starts
// no such file. And the copy has no name by which another user could read it.
func TestCopyIsPrivate(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, syscall.Mkfifo(path, 0o700))
	program, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	read, err := os.OpenFile(path, os.O_RDONLY, 0)
	require.NoError(t, err)
	copied := make(chan *os.File)
	go func() { copied <- privateCopy(read) }()
	_, err = program.Write(make([]byte, 1<<20)) // more than waits in between: it is being copied
	require.NoError(t, err)
	require.False(t, syscall.ForkLock.TryLock())
	named, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, named)
	require.NoError(t, program.Close())
	written := <-copied
	require.NotNil(t, written)
	require.NoError(t, written.Close())
	require.NoError(t, read.Close())
	require.True(t, syscall.ForkLock.TryLock())
	syscall.ForkLock.Unlock()
}
