package process

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// orphans are descendants of this process that it has not started: the system makes a process
// whose parent has gone the child of the nearest subreaper, or of process 1.
var orphans = struct {
	once  sync.Once
	look  chan os.Signal // one may have to be reaped
	older map[int]bool   // children from before this program ran in this process: not ours to end
}{look: make(chan os.Signal, 1)}

// own are the processes that Start has started and Wait has not reaped. Start holds the lock
// for reading, so that a process that has ended already is known to be one of them.
var own struct {
	sync.RWMutex
	pids sync.Map
}

const prSetChildSubreaper = 36

// AdoptOrphans makes this process the parent of its orphaned descendants from now on, and
// reaps them when they end. It leaves its own children to those that wait for them, also
// those of package os/exec.
func AdoptOrphans() {
	orphans.once.Do(func() {
		orphans.older = map[int]bool{}
		for pid := range children() {
			orphans.older[pid] = true
		}
		prctl(prSetChildSubreaper, 1)
		signal.Notify(orphans.look, syscall.SIGCHLD)
		lookAgain() // for those that ended before
		go reapForEver()
	})
}

// LeaveOrphans leaves to others what would be adopted from now on. Those that were adopted stay
// children of this process.
func LeaveOrphans() { prctl(prSetChildSubreaper, 0) }

// EndOrphans kills the adopted processes and what they have started, and reaps them.
func EndOrphans() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for orphans.older != nil && endOrphans() { // killing one orphans its children
		}
	}()
	select {
	case <-ended:
	case <-time.After(time.Second): // one waits for a disk, or forks faster
	}
}

// endOrphans reports whether there was one to kill.
func endOrphans() (found bool) {
	all := children()
	mine := held()
	for pid := range all {
		if !orphans.older[pid] && !isOwn(pid, mine) && syscall.Kill(pid, syscall.SIGKILL) == nil {
			found = true
			_, _ = syscall.Wait4(pid, nil, 0, nil)
		}
	}
	return found
}

// reapForEver reaps orphans when they end. It looks through all processes, which is slow, only
// while a child of ours hides others, and for a hundredth of the time, but once a second.
func reapForEver() {
	pause := 10 * time.Millisecond
	var again <-chan time.Time
	for {
		select {
		case <-orphans.look:
			if !reapFirst() && again == nil {
				again = time.After(pause)
			}
		case begin := <-again:
			again = nil
			if !reapFirst() {
				reapAll()
			}
			pause = min(max(10*time.Millisecond, 100*time.Since(begin)), time.Second)
		}
	}
}

// reapFirst reaps orphans as long as the system shows them first, and reports whether no child
// is left that has ended. Which one is first depends on the thread that asks. A child of ours
// that is first stays so until it is waited for, which may be never, and hides the others.
func reapFirst() bool {
	for {
		const pAll = 0
		pid, _ := waitID(pAll, 0, wExited|wNoHang|wNoWait)
		if pid == 0 {
			return true
		}
		if _, ours := own.pids.Load(pid); ours || !reapUnlessOwn(pid, held()) {
			return false
		}
	}
}

// reapAll reaps all orphans that have ended.
func reapAll() {
	all := children()
	mine := held()
	for pid, state := range all {
		if state == "Z" {
			reapUnlessOwn(pid, mine)
		}
	}
}

func reapUnlessOwn(pid int, mine map[int]bool) bool {
	own.Lock()
	defer own.Unlock()
	if isOwn(pid, mine) {
		return false
	}
	reaped, _ := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	return reaped == pid
}

func isOwn(pid int, mine map[int]bool) bool {
	_, ours := own.pids.Load(pid)
	return ours || mine[pid]
}

// reaped records that Wait has reaped a process.
func reaped(pid int) {
	own.pids.Delete(pid)
	lookAgain()
}

func lookAgain() {
	select {
	case orphans.look <- syscall.SIGCHLD:
	default: // it is about to look, or nothing is adopted
	}
}

// held returns the processes that this one has a descriptor of, as package os has of each that
// it has started and not reaped.
func held() map[int]bool {
	pids := map[int]bool{}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || !strings.Contains(target, "pidfd") {
			continue
		}
		text, _ := os.ReadFile(strings.Replace(link, "/fd/", "/fdinfo/", 1))
		if _, after, found := strings.Cut(string(text), "\nPid:"); found {
			var pid int
			_, _ = fmt.Sscan(after, &pid)
			pids[pid] = true
		}
	}
	return pids
}

// children returns the children of this process, each with its state: R, S, D, T or Z.
func children() map[int]string {
	all := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	parent := strconv.Itoa(os.Getpid())
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has gone
		}
		afterName := stat[bytes.LastIndexByte(stat, ')')+1:] // the name may hold anything
		if f := bytes.Fields(afterName); len(f) > 1 && string(f[1]) == parent {
			all[pid] = string(f[0])
		}
	}
	return all
}
