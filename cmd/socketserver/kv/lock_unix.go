//go:build unix && !solaris && !aix

package kv

import (
	"os"
	"syscall"
)

// tryLock locks f until it is unlocked, or returns EWOULDBLOCK.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// unlock unlocks f also for the processes that are being started, which have copies of its descriptor for a moment.
func unlock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
