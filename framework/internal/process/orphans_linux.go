package process

import (
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

// AdoptOrphans makes this process the parent of its orphaned descendants from now on, and
// reaps them when they end. It leaves its own children to those that wait for them, also
// those of package os/exec.
func AdoptOrphans() {
	orphans.once.Do(func() {
		orphans.older = map[int]bool{}
		for pid := range children() {
			orphans.older[pid] = true
		}
		const prSetChildSubreaper = 36
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
		signal.Notify(orphans.look, syscall.SIGCHLD)
		lookAgain() // for those that ended before
		go func() {
			last := 0
			for range orphans.look {
				last = reap(last)
			}
		}()
	})
}

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

// reap reaps the orphans that have ended. The system shows the first child that has ended
// until it is reaped; one of ours is about to be, and Wait calls for another look then. One
// that still is the first, which reap returns, or that is not Start's, is passed by.
func reap(last int) int {
	for {
		const pAll = 0
		pid, _ := waitID(pAll, 0, wExited|wNoHang|wNoWait)
		if pid == 0 {
			return 0
		}
		_, ours := own.pids.Load(pid)
		if ours && pid != last {
			return pid
		}
		if !ours && reapUnlessOwn(pid, held()) {
			continue
		}
		all := children()
		mine := held()
		for pid, state := range all {
			if state == "Z" {
				reapUnlessOwn(pid, mine)
			}
		}
		return pid
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
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parent := strconv.Itoa(os.Getpid())
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has gone
		}
		_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ") // the name may hold anything
		if f := strings.Fields(after); len(f) > 1 && f[1] == parent {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			all[pid] = f[0]
		}
	}
	return all
}
