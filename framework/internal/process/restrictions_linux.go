package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A limit is one of those that a process has.
type limit struct {
	what  string
	which int
	value uint64
}

// limits returns those that are to be applied. The rest is set before the start.
func (r *Restrictions) limits() []limit {
	return slices.DeleteFunc([]limit{
		{"memory", unix.RLIMIT_AS, uint64(r.Memory)},
		{"processor time", unix.RLIMIT_CPU, uint64((r.CPU + time.Second - 1) / time.Second)},
		{"files", unix.RLIMIT_NOFILE, uint64(r.Files)},
		{"processes", unix.RLIMIT_NPROC, uint64(r.Processes)},
		{"file size", unix.RLIMIT_FSIZE, uint64(r.FileSize)},
	}, func(l limit) bool { return l.value == 0 })
}

// apply limits a process that has been started, and the children that it has by now: later ones have
// its limits.
func (r *Restrictions) apply(pid int) error {
	limits := r.limits()
	if len(limits) == 0 {
		return nil
	}
	for _, l := range limits {
		if err := l.apply(pid); err != nil {
			return err
		}
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	for _, child := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(child)
		if err == nil {
			err = r.apply(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l limit) apply(pid int) error {
	var now unix.Rlimit
	err := unix.Prlimit(pid, l.which, nil, &now)
	if err == nil {
		most := min(l.value, now.Max) // only a privileged process may raise it
		err = unix.Prlimit(pid, l.which, &unix.Rlimit{Cur: most, Max: most}, nil)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
		return fmt.Errorf("limit its %s: %w", l.what, err)
	}
	return nil
}
