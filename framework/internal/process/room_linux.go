package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spare is how many descriptors are left to processes that are being started: one takes up to twenty, its relay included, and
// keeps four.
const spare = 32

// Room returns an error unless there are descriptors to start a process. A new one has the lowest number that is free. So the
// last numbers are taken by starts alone, as long as little that waits for one was opened without Room, and some start finds
// them free, however many wait.
func Room() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	_ = unix.Close(fd)
	if limit := OpenFilesLimit(); fd >= limit-min(spare, limit/3) {
		return syscall.EMFILE
	}
	return nil
}
