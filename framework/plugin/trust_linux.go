package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/go-socketserver/socketserver/internal/text"
)

// checkTree refuses, for root, what another user could change: path and what is in it, and the
// directories that it lies in. home is the directory of plugins.
func checkTree(path, home string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	err := filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return checkPrivate(path, home)
	})
	if err != nil {
		return err
	}
	return checkAround(filepath.Dir(path), home)
}

// checkAround is checkTree for a directory and its parents alone.
func checkAround(dir, home string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for ; ; dir = filepath.Dir(dir) {
		if err := checkPrivate(dir, home); err != nil {
			return err
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// checkWay is checkTree for how an absolute path leads to a file: its directory, without symbolic
// links, and what is on the way there, see checkLinks.
func checkWay(path string) error {
	home, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(checkAround(home, home), checkLinks(path, home))
}

// checkLinks refuses, for root, an absolute path that another user could lead elsewhere: it follows
// each symbolic link as the system does.
func checkLinks(path, home string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	at, links, rest := "/", 0, strings.Split(path, "/")
	for len(rest) > 0 {
		next := filepath.Join(at, rest[0]) // at has no symbolic links, so that .. is its parent
		rest = rest[1:]
		if err := checkOwner(next, home, true); err != nil {
			return err
		}
		target, err := os.Readlink(next)
		if err != nil { // it is none
			at = next
			continue
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil
}

// maxLinks is how many symbolic links the system follows in a path.
const maxLinks = 40

// checkPrivate refuses a file or directory that is not root's or that others can write. A parent
// of home may be sticky, as root's files are safe there; home and what is in it may not, as
// others could add files.
func checkPrivate(path, home string) error {
	return checkOwner(path, home, home != path && isIn(home, path))
}

// checkOwner is checkPrivate for a path that is around home, or is not.
func checkOwner(path, home string, around bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mode, owner := info.Mode(), info.Sys().(*syscall.Stat_t)
	switch {
	case owner.Uid != 0:
		return fmt.Errorf("%s belongs to user %d, who could change what a privileged user would run; %s", path, owner.Uid, remedy(home, owner.Uid))
	case mode&fs.ModeSymlink != 0, around && mode&fs.ModeSticky != 0:
		return nil
	case mode.Perm()&0o002 != 0:
		return fmt.Errorf("%s has mode %#o, so that others can write it, and a privileged user would run it; run: chmod o-w %s", path, mode.Perm(), text.ShellWord(path))
	case mode.Perm()&0o020 != 0 && owner.Gid != 0: // root's group is its own
		return fmt.Errorf("%s has mode %#o, so that its group can write it, and a privileged user would run it; run: chmod g-w %s", path, mode.Perm(), text.ShellWord(path))
	}
	return nil
}

// remedy returns the next step where user uid owns home, the checkout that it is in, or a parent.
// What that user owns is not to be given away.
func remedy(home string, uid uint32) string {
	top := home
	if root := moduleRoot(home); root != "" {
		top = root
	}
	return fmt.Sprintf("run socketserver as that user (sudo -u '#%d'), or in a copy that belongs to root: cp -r %s /usr/local/lib/", uid, text.ShellWord(top))
}

// isIn reports whether path is dir or in it; both are absolute and clean.
func isIn(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
