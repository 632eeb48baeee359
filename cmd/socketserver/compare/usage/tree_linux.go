package usage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc, the same on all systems that Go runs on.
const tick = 10 * time.Millisecond

func of(pid int) (Usage, error) {
	u, err := tree(pid, whole)
	if err != nil {
		return Unknown, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	return u, nil
}

func cpuOf(pid int) (Usage, error) {
	u, err := tree(pid, running)
	if err != nil {
		return Unknown, fmt.Errorf("cpu time of process %d: %w", pid, err)
	}
	only := Unknown
	only.CPU = u.CPU
	return only, nil
}

// tree adds up a process and its descendants. The process's own time comes last, and those
// children that it has waited for by then are left out, as their time is its own already.
func tree(pid int, one func(pid int) Usage) (Usage, error) {
	before := children(pid)
	below := make(map[int]Usage, len(before))
	for _, child := range before {
		if u, err := tree(child, one); err == nil {
			below[child] = u
		}
	}
	sum := one(pid)
	own, left, err := settled(pid, before)
	if err != nil {
		return Usage{}, err
	}
	sum.CPU = max(sum.CPU, own.own) + own.waited
	for _, child := range left {
		if u, ok := below[child]; ok {
			sum.add(u)
		}
	}
	return sum, nil
}

// settled is the times of a process and those children that are not part of them: it looks
// again where one was waited for in between. Where none are known there is nothing to look for.
func settled(pid int, known []int) (own times, left []int, err error) {
	own, err = cpu(pid)
	const tries = 10
	for i := 0; i < tries && len(known) > 0; i++ {
		left = children(pid)
		before := own.waited
		if own, err = cpu(pid); err != nil || own.waited == before {
			break
		}
	}
	return own, left, err
}

func (u *Usage) add(v Usage) {
	u.CPU += v.CPU
	u.Processes += v.Processes
	u.Threads += v.Threads
	u.Descriptors += v.Descriptors
	u.Switches += v.Switches
	if v.Resident < 0 || u.Resident < 0 {
		u.Resident, u.Proportional = -1, -1
		return
	}
	u.Resident += v.Resident
	u.Proportional += v.Proportional
}

// children are those of all threads of a process, the ended ones that nobody has waited for
// included.
func children(pid int) []int {
	var all []int
	for _, thread := range list(pid, "task") {
		for word := range strings.FieldsSeq(string(read("/proc/%d/task/%s/children", pid, thread))) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}

// running is the CPU time of the threads of a process that live, exactly.
func running(pid int) Usage {
	var u Usage
	for _, thread := range list(pid, "task") {
		nanoseconds, _, _ := bytes.Cut(read("/proc/%d/task/%s/schedstat", pid, thread), []byte(" "))
		u.CPU += time.Duration(number(string(nanoseconds)))
	}
	return u
}

// whole is a process by itself, of its CPU time what running says.
func whole(pid int) Usage {
	u := running(pid)
	u.Processes = 1
	u.Descriptors = len(list(pid, "fd"))
	for _, thread := range list(pid, "task") {
		u.Threads++
		status := read("/proc/%d/task/%s/status", pid, thread)
		u.Switches += field(status, "voluntary_ctxt_switches:") + field(status, "nonvoluntary_ctxt_switches:")
	}
	u.Resident, u.Proportional = memory(pid)
	return u
}

// times are of a process, and of its children that have ended and were waited for, theirs
// included.
type times struct{ own, waited time.Duration }

// cpu is what a process has used, in ticks.
func cpu(pid int) (times, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if gone(err) {
		return times{}, os.ErrProcessDone
	}
	if err != nil {
		return times{}, err
	}
	// The name, in brackets, may hold anything. The third field comes after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return times{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	at := func(i int) time.Duration { return time.Duration(number(fields[i-3])) * tick }
	return times{own: at(14) + at(15), waited: at(16) + at(17)}, nil
}

// gone says whether the process has ended, as its file could not be opened or be read.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// memory is the resident and the proportional memory. Both are 0 of a process that has just
// ended, and less than 0 where the system does not tell.
func memory(pid int) (resident, proportional int64) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if gone(err) {
		return 0, 0
	}
	if err != nil {
		return -1, -1
	}
	return field(rollup, "Rss:") * 1024, field(rollup, "Pss:") * 1024
}

// field is the number after a name at the start of a line.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			if fields := strings.Fields(string(rest)); len(fields) > 0 {
				return number(fields[0])
			}
		}
	}
	return 0
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// list is what a directory of a process holds; nothing where the process is gone.
func list(pid int, directory string) []string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, directory))
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// read is what a file of a thread holds; nothing where the thread is gone. It is os.ReadFile
// without what that does for files that may block: there are many to be read.
func read(path string, pid int, thread string) []byte {
	fd, err := syscall.Open(fmt.Sprintf(path, pid, thread), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	content := make([]byte, 0, 4096)
	for {
		n, err := syscall.Read(fd, content[len(content):cap(content)])
		if n <= 0 || err != nil {
			return content
		}
		if content = content[:len(content)+n]; len(content) == cap(content) {
			content = append(content, 0)[:len(content)]
		}
	}
}
