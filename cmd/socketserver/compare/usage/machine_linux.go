package usage

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/result"
)

// Now returns the machine's CPU time up to now.
func Now() Machine {
	stat, _ := os.ReadFile("/proc/stat")
	first, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(first))
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{Total: -1, Idle: -1, Stolen: -1, Network: -1}
	}
	// user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
	at := func(i int) time.Duration { return time.Duration(number(fields[i])) * tick }
	m := Machine{Idle: at(4) + at(5), Network: at(6) + at(7), Stolen: at(8)}
	m.Total = at(1) + at(2) + at(3) + m.Idle + m.Network + m.Stolen
	return m
}

// Environment describes the machine: its processors, memory and kernel.
func Environment() result.Environment {
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	memory, _ := os.ReadFile("/proc/meminfo")
	e := result.Environment{Cores: runtime.NumCPU(), Memory: uint64(field(memory, "MemTotal:")) * 1024}
	for line := range bytes.Lines(cpus) {
		if name, model, ok := bytes.Cut(line, []byte(":")); ok && strings.TrimSpace(string(name)) == "model name" {
			e.CPU = strings.TrimSpace(string(model))
			break
		}
	}
	var name syscall.Utsname
	if syscall.Uname(&name) == nil {
		e.Kernel = text(name.Sysname[:]) + " " + text(name.Release[:])
	}
	return e
}

// text converts a C string, whose characters are signed on some processors.
func text[C int8 | uint8](c []C) string {
	var s []byte
	for _, b := range c {
		if b == 0 {
			break
		}
		s = append(s, byte(b))
	}
	return string(s)
}
