//go:build unix

package usage

import (
	"os"
	"syscall"
	"time"
)

func ended(state *os.ProcessState) Usage {
	if state == nil {
		return Unknown
	}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		return fromRusage(r)
	}
	return Unknown
}

func self() Usage {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return Unknown
	}
	return fromRusage(&r)
}

func fromRusage(r *syscall.Rusage) Usage {
	u := Unknown
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.Switches = int64(r.Nvcsw) + int64(r.Nivcsw) //nolint:unconvert // they are shorter on some systems
	return u
}
