//go:build unix

package operator

import (
	"fmt"
	"os"
	"syscall"
)

// checkPrivate returns an error unless dir is a directory, not a link, to which only this user
// has access.
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
		return fmt.Errorf("%s has mode %04o, so others have access; make it 0700", dir, info.Mode().Perm())
	}
	return nil
}
