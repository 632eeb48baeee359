package usage

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// A Machine is the CPU time of all processors since the system started. Both are less than 0 if it is
// not known.
type Machine struct {
	Total time.Duration
	Busy  time.Duration // neither idle, which includes waiting for disks, nor in interrupts, mostly the cost of loopback
}

// Now returns the machine's CPU time up to now.
func Now() Machine {
	stat, _ := os.ReadFile("/proc/stat")
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(first))
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{-1, -1}
	}
	// user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
	at := func(i int) time.Duration { return time.Duration(number(fields[i])) * tick }
	busy := at(1) + at(2) + at(3) + at(8)
	return Machine{Total: busy + at(4) + at(5) + at(6) + at(7), Busy: busy}
}

// Others returns the share of the machine's CPU time since an earlier moment that went to other
// processes or was stolen: all that was busy but the time own of the measured processes. It is less
// than 0 if it is not known.
func (m Machine) Others(before Machine, own time.Duration) float64 {
	total := m.Total - before.Total
	if m.Total < 0 || before.Total < 0 || own < 0 || total <= 0 {
		return -1
	}
	return max(0, min(1, float64(m.Busy-before.Busy-own)/float64(total)))
}

// Environment describes the machine: its processors, memory and kernel.
func Environment() result.Environment {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	e := result.Environment{
		Cores: runtime.NumCPU(), Memory: uint64(Memory("MemTotal:")), Kernel: "Linux " + strings.TrimSpace(string(kernel)),
	}
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	if _, after, ok := strings.Cut(string(cpus), "model name\t: "); ok {
		e.CPU, _, _ = strings.Cut(after, "\n")
	}
	return e
}

// Memory returns a number of /proc/meminfo in bytes, as of "MemAvailable:"; 0: not known.
func Memory(name string) int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	return field(text, name) << 10
}

// field returns the number after a name at the start of a line.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return number(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"))
		}
	}
	return 0
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
