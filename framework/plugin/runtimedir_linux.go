package plugin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework"
)

// A runtimeDir is the directory of the control socket of one process of a plugin. Nobody else may list it. It is locked while
// the process lives, which also keeps systemd-tmpfiles from removing old files there.
type runtimeDir struct {
	path string
	lock *os.File
}

const (
	runtimePrefix = "socketserver-plugins-"
	// maxRuntimeDir keeps a socket's path within the 107 bytes that the system takes: go-plugin makes
	// a directory in it, with a name of 21 bytes, and a file with one of 17.
	maxRuntimeDir = 107 - 21 - 17

	// maxRemoved bounds the steps that removing what a plugin has left takes at once.
	maxRemoved = 5_000

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

// give returns a directory in d for the sockets of a plugin. It belongs to the user that the plugin runs as, if it has one of
// its own; d does not, so that nobody else replaces what is in it.
func (d *runtimeDir) give(r *framework.Restrictions) (string, error) {
	sockets := filepath.Join(d.path, "sockets")
	err := os.Mkdir(sockets, 0o700)
	if err == nil && r.AsUser {
		err = errors.Join(os.Chown(sockets, int(r.UID), int(r.GID)), os.Chmod(d.path, 0o711))
	}
	return sockets, err
}

// remove removes the directory and what is in it, and what a plugin has put there beyond a bound with the next sweep.
func (d *runtimeDir) remove() {
	defer d.lock.Close()
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return
	}
	defer root.Close()
	made, err := d.lock.Stat()
	if now, failed := root.Stat("."); err != nil || failed != nil || !os.SameFile(made, now) {
		return // it was replaced
	}
	empty(root)
	_ = os.Remove(d.path)
}

// empty removes what is in root, in about maxRemoved steps at most, with a few descriptors: [os.RemoveAll] has one for each level of a
// tree, and a plugin could have it take all of this process. What is in a directory, which may be read-only, is moved up.
func empty(root *os.Root) {
	for n, changed := 0, true; changed && n < maxRemoved; {
		changed = false
		for _, name := range namesIn(root, ".") {
			n++
			if root.Remove(name) == nil {
				changed = true
				continue
			}
			_ = root.Chmod(name, 0o700)
			for _, inner := range namesIn(root, name) {
				n++
				from := filepath.Join(name, inner)
				_ = root.Chmod(from, 0o700)
				changed = root.Rename(from, "up"+rand.Text()) == nil || changed
			}
		}
	}
}

// namesIn returns some of the names in a directory of root.
func namesIn(root *os.Root, dir string) []string {
	f, err := root.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(100)
	return names
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
