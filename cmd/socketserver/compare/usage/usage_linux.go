// Package usage measures what processes use: a process with all its descendants, and the machine.
// Numbers that the system does not provide are less than 0.
package usage

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A Usage is what a process and its living descendants use at a moment.
type Usage struct {
	Resident     int64 // bytes; a shared page counts for each process
	Proportional int64 // bytes; a shared page is divided among the processes
	Processes    int   // zombies included
	Threads      int
	Descriptors  int
}

// Of returns the usage of the process and all its living descendants, which may come and go
// meanwhile. It is an error if the process has ended. It takes up to some milliseconds for each
// process.
func Of(pid int) (Usage, error) { return of(pid, family()) }

func of(pid int, known map[int][]int) (Usage, error) {
	stat, err := ReadStat(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	u := Usage{Processes: 1, Threads: stat.Threads, Descriptors: len(names(pid, "fd"))}
	u.Resident, u.Proportional = memory(pid)
	for _, child := range known[pid] {
		below, err := of(child, known)
		if err != nil {
			continue
		}
		u.Processes += below.Processes
		u.Threads += below.Threads
		u.Descriptors += below.Descriptors
		if below.Resident < 0 || u.Resident < 0 {
			u.Resident, u.Proportional = -1, -1
			continue
		}
		u.Resident += below.Resident
		u.Proportional += below.Proportional
	}
	return u, nil
}

// CPU returns the CPU time of the process, its living descendants, and those that have ended and were
// waited for. It moves from child to parent, so that the difference of two moments is right while
// children come and go, to a clock tick (10 ms) for each process that ends. It is light enough to call
// while a load is measured.
func CPU(pid int) time.Duration { return cpu(pid, family()) }

func cpu(pid int, known map[int][]int) time.Duration {
	below := map[int]time.Duration{}
	for _, child := range known[pid] {
		below[child] = max(0, cpu(child, known))
	}
	// The time of a child that was waited for meanwhile is part of the process's, which is read until
	// it stays the same: what is left of the children is not.
	stat, err := ReadStat(pid)
	const tries = 10
	for i := 0; i < tries && err == nil && len(below) > 0; i++ {
		maps.DeleteFunc(below, func(child int, _ time.Duration) bool { _, gone := ReadStat(child); return gone != nil })
		before := stat.Waited
		if stat, err = ReadStat(pid); stat.Waited == before {
			break
		}
	}
	sum := clock(pid)
	if err != nil || sum < 0 {
		return -1
	}
	sum += stat.Waited
	for _, left := range below {
		sum += left
	}
	return sum
}

// Self returns the CPU time of this process without its children.
func Self() time.Duration { return clock(os.Getpid()) }

// Since returns the CPU time between two moments, less than 0 if that of either is not known.
func Since(before, now time.Duration) time.Duration {
	if now < 0 || before < 0 {
		return -1
	}
	return max(0, now-before)
}

// clock returns the time of all threads that a process has or had, to a nanosecond; less than 0 if the
// process has ended and was waited for.
func clock(pid int) time.Duration {
	const ofProcess = 2 // in the low bits of a clock's id; see clock_getcpuclockid(3)
	var at syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|ofProcess), uintptr(unsafe.Pointer(&at)), 0); errno != 0 {
		return -1
	}
	return time.Duration(at.Nano())
}

// A Stat is what /proc/PID/stat says about a process.
type Stat struct {
	Dead            bool // a zombie
	Parent, Session int
	Threads         int
	Waited          time.Duration // CPU time of descendants that were waited for
	Start           string        // a process id may be used again, with another start
}

// tick is the unit of times in /proc, the same on all systems that Go runs on.
const tick = 10 * time.Millisecond

// ReadStat returns os.ErrProcessDone if the process has ended and was waited for.
func ReadStat(pid int) (Stat, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, os.ErrProcessDone
	}
	// The name, in parentheses, may contain anything. The third field comes after it.
	text := string(content)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return Stat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	at := func(i int) int { return int(number(fields[i-3])) }
	return Stat{
		Dead: fields[0] == "Z", Parent: at(4), Session: at(6), Threads: at(20), Start: fields[22-3],
		Waited: time.Duration(at(16)+at(17)) * tick,
	}, nil
}

// family returns the children of each process of the machine, zombies included. The lists that
// threads have below /proc/PID/task are not read: after that Linux takes milliseconds of the parent to reap the process.
func family() map[int][]int {
	all := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := ReadStat(pid); err == nil {
			all[stat.Parent] = append(all[stat.Parent], pid)
		}
	}
	return all
}

// names returns those in a directory of a process, none if the process has ended.
func names(pid int, directory string) []string {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), directory))
	if err != nil {
		return nil
	}
	defer f.Close()
	all, _ := f.Readdirnames(-1)
	return all
}

// memory returns the resident and the proportional memory. Both are 0 if the process has ended, and less
// than 0 if the system does not provide them.
func memory(pid int) (resident, proportional int64) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH): // the latter of a zombie
		return 0, 0
	case err != nil:
		return -1, -1
	}
	return field(rollup, "Rss:") << 10, field(rollup, "Pss:") << 10
}
