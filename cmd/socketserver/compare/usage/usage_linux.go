// Package usage measures what processes use: a process with all its descendants, and the machine.
// Numbers that the system does not provide are less than 0.
package usage

import (
	"os"
	"syscall"
	"time"
)

// A Usage is what some processes use, or have used, at a moment. Unknown numbers are less than 0.
type Usage struct {
	// CPU is the time of the living processes and of those descendants that have ended and were
	// waited for. It moves from child to parent, so the difference of two moments is right while
	// children come and go, to a clock tick (10 ms) for each process.
	CPU time.Duration

	Resident     int64 // bytes; a shared page counts for each process
	Proportional int64 // bytes; a shared page is divided among the processes
	Processes    int
	Threads      int
	Descriptors  int
	Switches     int64 // voluntary and involuntary context switches of the threads that live
}

// Unknown is a usage without any known number.
var Unknown = Usage{CPU: -1, Resident: -1, Proportional: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1}

// CPUSince returns the CPU time used since an earlier moment, less than 0 if it is not known.
func (u Usage) CPUSince(before Usage) time.Duration {
	if u.CPU < 0 || before.CPU < 0 {
		return -1
	}
	return max(0, u.CPU-before.CPU)
}

// Ended returns what a process and all descendants that were waited for used in their lives: CPU, to
// the microsecond, and Switches, which the system does not provide for ended children while the
// process lives. The rest is unknown.
func Ended(state *os.ProcessState) Usage {
	return fromRusage(state.SysUsage().(*syscall.Rusage))
}

// Self returns the CPU time and the context switches of this process without its children. The rest
// is unknown.
func Self() Usage {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return Unknown
	}
	return fromRusage(&r)
}

func fromRusage(r *syscall.Rusage) Usage {
	u := Unknown
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.Switches = int64(r.Nvcsw) + int64(r.Nivcsw) //nolint:unconvert // they are shorter on some processors
	return u
}

// A Machine is the CPU time of all processors since the system started. All are less than 0 if it is
// not known.
type Machine struct {
	Total   time.Duration
	Idle    time.Duration // waiting for disks included
	Network time.Duration // interrupts, mostly the cost of loopback
}

// Others returns the share of the machine's CPU time since an earlier moment that went to other
// processes or was stolen: all but idle time, interrupts, and the time own of the measured processes.
// It is less than 0 if it is not known.
func (m Machine) Others(before Machine, own time.Duration) float64 {
	total := m.Total - before.Total
	if m.Total < 0 || before.Total < 0 || own < 0 || total <= 0 {
		return -1
	}
	others := total - (m.Idle - before.Idle) - (m.Network - before.Network) - own
	return max(0, min(1, float64(others)/float64(total)))
}
