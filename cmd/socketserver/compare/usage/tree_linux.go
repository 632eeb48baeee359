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

// Of returns the usage of the process and all its living descendants, which may come and go
// meanwhile. It is an error if the process has ended. It takes up to some milliseconds for each
// process.
func Of(pid int) (Usage, error) {
	u, err := tree(pid, whole)
	if err != nil {
		return Unknown, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	return u, nil
}

// CPU is Of with the CPU time only, which takes a fifth as long: light enough to call while a load
// is measured. It is unknown if the process has ended.
func CPU(pid int) Usage {
	only := Unknown
	if u, err := tree(pid, running); err == nil {
		only.CPU = u.CPU
	}
	return only
}

// tree adds up a process and its descendants. It reads the process's own time last, and leaves out
// children that were waited for by then, whose time is the process's own already.
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

// settled returns the times of a process and the children whose time is not part of them. It reads
// again if a child was waited for in between.
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

// children returns those of all threads of a process, zombies included.
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

// running returns the exact CPU time of the living threads of a process.
func running(pid int) Usage {
	var u Usage
	for _, thread := range list(pid, "task") {
		nanoseconds, _, _ := bytes.Cut(read("/proc/%d/task/%s/schedstat", pid, thread), []byte(" "))
		u.CPU += time.Duration(number(string(nanoseconds)))
	}
	return u
}

// whole returns the usage of a process by itself, with the CPU time of running.
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

// times are those of a process, and of its descendants that were waited for.
type times struct{ own, waited time.Duration }

// cpu returns the CPU times of a process, to a tick.
func cpu(pid int) (times, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if gone(err) {
		return times{}, os.ErrProcessDone
	}
	if err != nil {
		return times{}, err
	}
	// The name, in parentheses, may contain anything. The third field comes after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return times{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	at := func(i int) time.Duration { return time.Duration(number(fields[i-3])) * tick }
	return times{own: at(14) + at(15), waited: at(16) + at(17)}, nil
}

// gone reports whether err of a file in /proc means that the process has ended.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// memory returns the resident and the proportional memory. Both are 0 if the process has just ended,
// and less than 0 if the system does not provide them.
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

// field returns the number after a name at the start of a line.
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

// list returns the names in a directory of a process, none if the process has ended.
func list(pid int, directory string) []string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, directory))
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return names
}

// read returns the content of a file of a thread, nothing if the thread has ended. It is os.ReadFile
// without the poller, as there are many files to read.
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
