package usage

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// Now returns the machine's CPU time up to now.
func Now() Machine {
	stat, _ := os.ReadFile("/proc/stat")
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(first))
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{Total: -1, Idle: -1, Network: -1}
	}
	// user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
	at := func(i int) time.Duration { return time.Duration(number(fields[i])) * tick }
	m := Machine{Idle: at(4) + at(5), Network: at(6) + at(7)}
	m.Total = at(1) + at(2) + at(3) + m.Idle + m.Network + at(8)
	return m
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
