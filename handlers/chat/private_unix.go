//go:build unix

package chat

import (
	"fmt"
	"os"
	"syscall"
)

// checkPrivate says why a directory is not this user's alone. A link to one is none.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; remove it", dir)
	case owner != uint32(os.Geteuid()):
		return fmt.Errorf("%s belongs to user %d; remove it", dir, owner)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s has mode %04o, so others can get at it; make it 0700", dir, info.Mode().Perm())
	}
	return nil
}
