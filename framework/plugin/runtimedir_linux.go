package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runtimeDir is the directory of the control sockets of this process's plugins. It has mode
// 0700, is made for the first plugin and removed after the last.
var runtimeDir struct {
	mu    sync.Mutex
	users int
	path  string
	lock  *os.File // the directory
}

const (
	runtimePrefix = "socketserver-plugins-"
	// maxRuntimeDir keeps a socket's path within the 107 bytes that the system takes:
	// go-plugin makes a directory and a file in it with names of 21 and 17 bytes.
	maxRuntimeDir = 107 - 21 - 17

	// unlocked is the time that a process has to lock the directory that it has made.
	unlocked = time.Minute
)

// enterRuntimeDir makes the directory; each call is paired with leaveRuntimeDir.
func enterRuntimeDir() error {
	d := &runtimeDir
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == 0 {
		path, lock, err := makeRuntimeDir()
		if err != nil {
			return err
		}
		d.path, d.lock = path, lock
	}
	d.users++
	return nil
}

// currentRuntimeDir returns the directory. Where it is gone, or is not ours alone any more, it
// makes another one: the sockets of processes that run are connected.
func currentRuntimeDir() (string, error) {
	d := &runtimeDir
	d.mu.Lock()
	defer d.mu.Unlock()
	is, err := os.Lstat(d.path)
	ours, _ := d.lock.Stat()
	if err == nil && os.SameFile(is, ours) && is.Mode().Perm() == 0o700 {
		return d.path, nil
	}
	path, lock, err := makeRuntimeDir()
	if err != nil {
		return "", err
	}
	_ = d.lock.Close()
	d.path, d.lock = path, lock
	return path, nil
}

func leaveRuntimeDir() {
	d := &runtimeDir
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users--; d.users == 0 {
		_ = os.RemoveAll(d.path)
		_ = d.lock.Close()
	}
}

// makeRuntimeDir makes the directory in the first of the system's places where it can, and
// removes what dead processes have left there.
func makeRuntimeDir() (string, *os.File, error) {
	var errs []error
	for _, base := range runtimeBases() {
		sweepRuntimeDirs(base)
		path, lock, err := makeLockedDir(base)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return path, lock, nil
	}
	return "", nil, fmt.Errorf("make a directory for the sockets of plugins: %w", errors.Join(errs...))
}

// makeLockedDir makes a directory. It gets the name that sweepRuntimeDirs looks for once it is
// locked.
func makeLockedDir(base string) (string, *os.File, error) {
	path := filepath.Join(base, runtimePrefix+strconv.FormatInt(time.Now().UnixNano(), 36))
	if len(path) > maxRuntimeDir {
		return "", nil, fmt.Errorf("%s takes %d bytes and may take %d; set RUNTIME_DIRECTORY or TMPDIR to a shorter directory", path, len(path), maxRuntimeDir)
	}
	made, err := os.MkdirTemp(base, "."+runtimePrefix)
	if err != nil {
		return "", nil, err
	}
	lock, err := lockDir(made)
	if err != nil {
		_ = os.Remove(made)
		return "", nil, err
	}
	if err := os.Rename(made, path); err != nil {
		_ = os.Remove(made)
		return "", nil, errors.Join(err, lock.Close())
	}
	return path, lock, nil
}

func runtimeBases() []string {
	var bases []string
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":") // systemd may name several
	for _, base := range []string{first, os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		if filepath.IsAbs(base) {
			bases = append(bases, base)
		}
	}
	return bases
}

// lockDir locks path until the file is closed or this process ends. The lock also keeps
// systemd-tmpfiles from removing old files there.
func lockDir(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// sweepRuntimeDirs removes the directories in base whose process has ended. Those without their
// final name may not be locked yet, so they must be old as well.
func sweepRuntimeDirs(base string) {
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, unnamed := strings.CutPrefix(e.Name(), ".")
		if !strings.HasPrefix(name, runtimePrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		if unnamed && time.Since(info.ModTime()) < unlocked {
			continue
		}
		path := filepath.Join(base, e.Name())
		lock, err := lockDir(path)
		if err != nil {
			continue // its process lives
		}
		_ = os.RemoveAll(path)
		_ = lock.Close()
	}
}
