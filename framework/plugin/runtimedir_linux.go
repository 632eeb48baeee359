package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A runtimeDir is the directory of the control socket of one process of a plugin. It has mode
// 0700 and is locked while the process lives, which also keeps systemd-tmpfiles from removing
// old files there.
type runtimeDir struct {
	path string
	lock *os.File
}

const (
	runtimePrefix = "socketserver-plugins-"
	// maxRuntimeDir keeps a socket's path within the 107 bytes that the system takes:
	// go-plugin makes a directory and a file in it with names of 21 and 17 bytes.
	maxRuntimeDir = 107 - 21 - 17

	// unlocked is the time that a process has to lock the directory that it has made.
	unlocked = time.Minute
)

// makeRuntimeDir makes a directory in the first of the system's places where it can and where the user of r
// may go, and removes what dead processes have left there.
func makeRuntimeDir(r *framework.Restrictions) (*runtimeDir, error) {
	var errs []error
	for _, base := range runtimeBases() {
		sweepRuntimeDirs(base)
		err := enterable(base, r)
		if err == nil {
			d, failed := makeLockedDir(base)
			if failed == nil {
				return d, nil
			}
			err = failed
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("make a directory for the sockets of plugins: %w", errors.Join(errs...))
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

// enterable returns an error where the user that a plugin runs as, if it has one of its own, may not enter dir: the
// XDG_RUNTIME_DIR of a session is for the user of that session alone.
func enterable(dir string, r *framework.Restrictions) error {
	if !r.AsUser || r.UID == 0 {
		return nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	for ; err == nil; dir = filepath.Dir(dir) {
		info, failed := os.Stat(dir)
		if failed != nil {
			return failed
		}
		enter, of := os.FileMode(0o001), info.Sys().(*syscall.Stat_t)
		switch {
		case of.Uid == r.UID:
			enter = 0o100
		case of.Gid == r.GID:
			enter = 0o010
		}
		if info.Mode()&enter == 0 {
			return fmt.Errorf("user %d, which the plugin runs as, may not enter %s; set RUNTIME_DIRECTORY to a directory that it may enter", r.UID, dir)
		}
		if dir == "/" {
			break
		}
	}
	return err
}

func makeLockedDir(base string) (*runtimeDir, error) {
	path, err := os.MkdirTemp(base, runtimePrefix)
	if err != nil {
		return nil, err
	}
	if len(path) > maxRuntimeDir {
		err = fmt.Errorf("%s takes %d bytes and may take %d; set RUNTIME_DIRECTORY or TMPDIR to a shorter directory", path, len(path), maxRuntimeDir)
		return nil, errors.Join(err, os.Remove(path))
	}
	d, err := lockDir(path)
	if err != nil {
		_ = os.Remove(path)
	}
	return d, err
}

// lockDir locks path until the file is closed or this process ends.
func lockDir(path string) (*runtimeDir, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &runtimeDir{path, f}, nil
}

// giveTo makes the directories those of the user that a plugin runs as, if it has one of its own. Other processes of that
// user may be at work in those that it has already, so links are not followed.
func giveTo(r *framework.Restrictions, directories ...string) error {
	if !r.AsUser {
		return nil
	}
	for _, dir := range directories {
		if err := os.Lchown(dir, int(r.UID), int(r.GID)); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the directory and what is in it.
func (d *runtimeDir) remove() {
	_ = os.RemoveAll(d.path)
	_ = d.lock.Close()
}

// sweepRuntimeDirs removes the directories in base whose server has ended. New ones may not be
// locked yet.
func sweepRuntimeDirs(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), runtimePrefix) {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < unlocked || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		if d, err := lockDir(filepath.Join(base, e.Name())); err == nil {
			d.remove()
		}
	}
}
