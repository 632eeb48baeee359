package natsbus

import (
	"time"

	"golang.org/x/sys/unix"
)

// now is the time since some event. It goes on while the machine is suspended, as the lease does for other servers; Go's
// own clock does not.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // every Linux that Go runs on has it
	}
	return time.Duration(t.Nano())
}
