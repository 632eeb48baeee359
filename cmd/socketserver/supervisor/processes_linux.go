package supervisor

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// reservedThreads are started at the start and stay: where no more can be had later, as under a
// limit on processes that is reached, Go ends the program that needs one.
const reservedThreads = 8

func reserveThreads() {
	var started sync.WaitGroup
	started.Add(reservedThreads)
	all := make(chan struct{})
	for range reservedThreads {
		go func() {
			runtime.LockOSThread() // each has one of its own
			defer runtime.UnlockOSThread()
			started.Done()
			<-all
		}()
	}
	started.Wait()
	close(all)
}

// processesLimit is how many processes and threads this process and its children may be, by its
// control groups (TasksMax, docker --pids-limit) and ulimit -u; 0: unlimited, or not known.
func processesLimit() int {
	least := 0
	lower := func(limit uint64) {
		if limit > 0 && limit < 1<<30 && (least == 0 || int(limit) < least) {
			least = int(limit)
		}
	}
	const rlimitNproc = 6
	var limit syscall.Rlimit
	if os.Geteuid() != 0 && syscall.Getrlimit(rlimitNproc, &limit) == nil { // root is exempt
		lower(limit.Cur)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 || f[1] != "" && f[1] != "pids" {
			continue
		}
		for dir := filepath.Join("/", f[2]); ; dir = filepath.Dir(dir) {
			text, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", f[1], dir, "pids.max"))
			n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64) // "max" is none
			lower(n)
			if dir == "/" {
				break
			}
		}
	}
	return least
}
