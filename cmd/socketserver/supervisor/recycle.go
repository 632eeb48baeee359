package supervisor

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/config"
)

const (
	memoryInterval  = time.Second // between looks at the memory of processes
	recycleInterval = time.Minute // between two new processes of a plugin, or tries
)

// recycle has the plugin's process replaced once it has served as much as it may. The new process
// serves in another instance. A try ends with the instance, and with ctx.
func (i *Instance) recycle(ctx context.Context, replace func(ctx context.Context, server, why string) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(i.retired, cancel)()
	limits := i.configuration().Recycle // the same for as long as the instance serves
	i.class.most.Store(int64(limits.Requests))
	var pause time.Duration
	if i.follows {
		pause = time.Until(i.class.since.Add(recycleInterval))
	}
	if size := i.resident(); limits.Memory > 0 && size > limits.Memory && i.class.served.Load() == 0 {
		i.log.Warn("the plugin begins with more memory than recycle.memory, and is replaced each minute", "memory", mebibytes(size), "recycle.memory", mebibytes(limits.Memory), "next", "raise recycle.memory above what the plugin begins with")
		pause = recycleInterval
	}
	if pause > 0 && !i.rest(pause, nil) {
		return
	}
	for {
		why, wait := i.worn(limits)
		switch {
		case why == "":
			if !i.rest(wait, i.class.reached) {
				return
			}
		case replace(ctx, i.name, why) == nil || !i.rest(recycleInterval, nil):
			return
		}
	}
}

// worn returns why the process has served as much as it may; empty: it has not, and is to be looked at
// again after wait or enough requests.
func (i *Instance) worn(limits config.Recycle) (why string, wait time.Duration) {
	wait = 24 * time.Hour
	since := i.class.process()
	switch n := limits.Requests; {
	case n == 0 || i.class.served.Load() < int64(n):
	case n == 1:
		return "it has had 1 request", 0
	default:
		return fmt.Sprintf("it has had %d requests", n), 0
	}
	if limits.After > 0 {
		if wait = time.Until(since.Add(limits.After)); wait <= 0 {
			return fmt.Sprintf("it has run for %s", limits.After), 0
		}
	}
	if limits.Memory > 0 {
		if bytes := i.resident(); bytes > limits.Memory {
			return fmt.Sprintf("it has %s of memory", mebibytes(bytes)), 0
		}
		wait = min(wait, memoryInterval)
	}
	return "", wait
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

// rest waits for d, or until early has a value, and reports whether the instance takes requests still.
func (i *Instance) rest(d time.Duration, early <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-i.retired.Done():
		return false
	case <-i.servers[0].Done():
		return false
	}
	return true
}

// resident returns the memory in bytes of the largest process of the plugin.
func (i *Instance) resident() (most int64) {
	processes := i.workers()
	if plugin, ok := i.class.Executor.(keptProcess); ok {
		pid, _ := plugin.Process()
		processes = append(processes, Process{Pid: pid})
	}
	for _, p := range processes {
		most = max(most, Resident(p.Pid))
	}
	return most
}

// Resident returns the resident memory of a process in bytes; 0: it has ended, or the system does not tell.
func Resident(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
