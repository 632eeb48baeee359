package load

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// An alarm wakes one client of an open loop. In an idle process Go's timers are up to a millisecond
// late, which would be counted as latency.
type alarm struct {
	fd   uintptr // of file; valid while the client waits
	file *os.File
}

const clockMonotonic = 1

// newAlarm returns nil if there is no descriptor. The client must close it.
func newAlarm() *alarm {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return nil
	}
	return &alarm{fd, os.NewFile(fd, "timer")}
}

// wait waits for d, which must be positive. It returns false if the alarm is stopped.
func (a *alarm) wait(d time.Duration) bool {
	once := struct{ interval, value syscall.Timespec }{value: syscall.NsecToTimespec(int64(d))}
	if _, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, 0, uintptr(unsafe.Pointer(&once)), 0, 0, 0); errno != 0 {
		return false
	}
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err == nil
}

// stop makes every wait end, also later ones. Any goroutine may call it.
func (a *alarm) stop() { _ = a.file.SetReadDeadline(past) }

func (a *alarm) close() { _ = a.file.Close() }
