package subject

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A directory is private to a subject. It is locked as long as this process lives, so that a
// stale one can be recognized.
type directory struct {
	path string
	lock *os.File
}

const (
	directoryPrefix = "sockcmp-"
	// maxBase keeps the paths of sockets short enough, those of plugins included.
	maxBase = 16
	// unlocked bounds the time from making a directory to locking it.
	unlocked = time.Minute
)

// makeDirectory makes a private directory, and removes those of killed comparisons.
func makeDirectory() (*directory, error) {
	base := os.TempDir()
	if len(base) > maxBase {
		base = "/tmp"
	}
	sweep(base)
	live.mu.Lock()
	defer live.mu.Unlock()
	if live.over {
		return nil, errors.New("this process is about to end")
	}
	path, err := os.MkdirTemp(base, directoryPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("lock a directory: %w", err)
	}
	d := &directory{path, lock}
	live.directories[d] = true
	return d, nil
}

// live are the directories of this process.
var live = struct {
	mu          sync.Mutex
	directories map[*directory]bool
	over        bool // no more may be made
}{directories: map[*directory]bool{}}

// Tidy kills all subjects and removes their directories, for a process that cannot wait for
// Stop. Start fails after it. The error is nil.
func Tidy() error {
	live.mu.Lock()
	defer live.mu.Unlock()
	live.over = true
	for d := range live.directories {
		all := tree{session: -1, directory: d.path} // found by their environment
		all.kill()
		_ = os.RemoveAll(d.path)
	}
	return nil
}

func lockDirectory(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (d *directory) remove() {
	live.mu.Lock()
	delete(live.directories, d)
	live.mu.Unlock()
	_ = os.RemoveAll(d.path)
	_ = d.lock.Close()
}

// sweep removes this user's directories that no process has locked.
func sweep(base string) {
	paths, _ := filepath.Glob(filepath.Join(base, directoryPrefix+"[0-9]*"))
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < unlocked || info.Mode().Perm() != 0o700 ||
			info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		lock, err := lockDirectory(path)
		if err != nil {
			continue // its process lives
		}
		(&directory{path, lock}).remove()
	}
}

// files counts the files in a directory.
func files(directory string) (sockets, others int) {
	_ = filepath.WalkDir(directory, func(_ string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || e.IsDir():
		case e.Type()&fs.ModeSocket != 0:
			sockets++
		default:
			others++
		}
		return nil
	})
	return sockets, others
}
