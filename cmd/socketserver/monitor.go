package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// monitorNap is how long the monitor thread of Go's runtime may sleep while a goroutine runs, as
// that of workers does. It looks every 20 µs otherwise, which is a tenth of what short requests cost and more. In
// return a system call that blocks may keep its processor from other goroutines for as long.
const monitorNap = time.Millisecond

// letMonitorNap gives that thread, which the runtime starts first, a timer slack of its own. The system
// lets root do so, or CAP_SYS_NICE; for others nothing changes.
func letMonitorNap() {
	if path := monitorSlack(); path != "" {
		_ = os.WriteFile(path, strconv.AppendInt(nil, int64(monitorNap), 10), 0)
	}
}

// monitorSlack is the file of the thread's timer slack; empty: there is none.
func monitorSlack() string {
	paths, _ := filepath.Glob("/proc/self/task/[0-9]*")
	var threads []int
	for _, path := range paths {
		if id, _ := strconv.Atoi(filepath.Base(path)); id > os.Getpid() {
			threads = append(threads, id)
		}
	}
	if len(threads) == 0 {
		return ""
	}
	return filepath.Join("/proc", strconv.Itoa(slices.Min(threads)), "timerslack_ns")
}
