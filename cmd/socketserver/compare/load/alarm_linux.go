package load

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// An alarm wakes one client of an open loop. Where nothing else happens Go's own timers are up to a
// millisecond late, as they wait in whole ones; what is late here would be counted as latency.
type alarm struct {
	fd   uintptr // of file, which is open as long as its client waits
	file *os.File
}

const clockMonotonic = 1

// newAlarm is nil where the system lends none; the client closes it.
func newAlarm() *alarm {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return nil
	}
	return &alarm{fd, os.NewFile(fd, "timer")}
}

// wait waits for d, which is more than 0. It is false when the alarm has been stopped.
func (a *alarm) wait(d time.Duration) bool {
	once := struct{ interval, value syscall.Timespec }{value: syscall.NsecToTimespec(int64(d))}
	if _, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, 0, uintptr(unsafe.Pointer(&once)), 0, 0, 0); errno != 0 {
		return false
	}
	var times [8]byte
	_, err := a.file.Read(times[:])
	return err == nil
}

// stop ends wait, now and from now on. It may be called from outside.
func (a *alarm) stop() { _ = a.file.SetReadDeadline(past) }

func (a *alarm) close() { _ = a.file.Close() }
