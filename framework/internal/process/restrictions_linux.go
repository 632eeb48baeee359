package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// isLimited reports whether there is something to apply.
func (r *Restrictions) isLimited() bool { // the rest is set before the start
	return *r != (Restrictions{Nice: r.Nice, Umask: r.Umask, AsUser: r.AsUser, UID: r.UID, GID: r.GID})
}

// apply limits a process that has been started, and the children that it has by now: later ones have
// its limits.
func (r *Restrictions) apply(pid int) error {
	if err := r.limit(pid); err != nil {
		return err
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

func (r *Restrictions) limit(pid int) error {
	for _, limit := range []struct {
		what  string
		which int
		value uint64
	}{
		{"memory", unix.RLIMIT_AS, uint64(r.Memory)},
		{"processor time", unix.RLIMIT_CPU, uint64((r.CPU + time.Second - 1) / time.Second)},
		{"files", unix.RLIMIT_NOFILE, uint64(r.Files)},
		{"processes", unix.RLIMIT_NPROC, uint64(r.Processes)},
		{"file size", unix.RLIMIT_FSIZE, uint64(r.FileSize)},
	} {
		if limit.value == 0 {
			continue
		}
		var now unix.Rlimit
		err := unix.Prlimit(pid, limit.which, nil, &now)
		if err == nil {
			most := min(limit.value, now.Max) // only a privileged process may raise it
			err = unix.Prlimit(pid, limit.which, &unix.Rlimit{Cur: most, Max: most}, nil)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
			return fmt.Errorf("limit its %s: %w", limit.what, err)
		}
	}
	return nil
}
