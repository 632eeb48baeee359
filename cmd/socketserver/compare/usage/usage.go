// Package usage is what processes cost: a process and all its descendants, and the machine.
// Where the system does not tell, numbers are less than 0.
package usage

import (
	"os"
	"time"
)

// A Usage is what some processes use at a moment, or have used until then. What is not
// known is less than 0.
type Usage struct {
	// CPU is the time that the living processes have used, and those of their descendants
	// that have ended and were waited for: it moves from child to parent, so the difference
	// between two moments is right while children come and go. To a clock tick (10 ms) for
	// each process.
	CPU time.Duration

	Resident     int64 // bytes; what processes share counts for each of them
	Proportional int64 // bytes; what processes share is divided among them
	Processes    int
	Threads      int
	Descriptors  int
	Switches     int64 // voluntary and involuntary context switches of the threads that live
}

// Unknown is the usage of which nothing is known.
var Unknown = Usage{CPU: -1, Resident: -1, Proportional: -1, Processes: -1, Threads: -1, Descriptors: -1, Switches: -1}

// CPUSince is the CPU time used since an earlier moment, less than 0 where it is not known.
func (u Usage) CPUSince(before Usage) time.Duration {
	if u.CPU < 0 || before.CPU < 0 {
		return -1
	}
	return max(0, u.CPU-before.CPU)
}

// Ended is what a process used from its start to its end, together with all descendants
// that were waited for: CPU, to the microsecond, and Switches, which are nowhere to be found
// while the process lives once its children have ended. The rest is not known.
func Ended(state *os.ProcessState) Usage {
	return ended(state)
}

// Self is the CPU time and the context switches of this process without its children. The
// rest is not known.
func Self() Usage {
	return self()
}

// Of is the usage of the process and all its living descendants. It is an error where the
// process is gone; that descendants come and go is none. It takes up to some milliseconds for each
// of them. Other systems than Linux know nothing of it.
func Of(pid int) (Usage, error) {
	return of(pid)
}

// CPU is Of with nothing but the CPU time, which takes a fifth as long: light enough to be
// asked for while a load is being measured.
func CPU(pid int) (Usage, error) {
	return cpuOf(pid)
}

// A Machine is the CPU time of all its processors since it was started. All are less than 0
// where it is not known.
type Machine struct {
	Total   time.Duration
	Idle    time.Duration // waiting for disks included
	Stolen  time.Duration // taken by the machines that this virtual one shares a host with
	Network time.Duration // interrupts, which is mostly what sending over loopback costs
}

// Others is the share of the machine's CPU time, since an earlier moment, that went to
// neither the processes that are being measured, which used own, nor to interrupts: other
// processes, and what was stolen. It is less than 0 where that is not known.
func (m Machine) Others(before Machine, own time.Duration) float64 {
	total := m.Total - before.Total
	if m.Total < 0 || before.Total < 0 || own < 0 || total <= 0 {
		return -1
	}
	others := total - (m.Idle - before.Idle) - (m.Network - before.Network) - own
	return max(0, min(1, float64(others)/float64(total)))
}
