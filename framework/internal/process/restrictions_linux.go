package process

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/internal/trampoline"
)

// limits returns those that a process sets itself before it runs its program.
func (r *Restrictions) limits() []trampoline.Limit {
	return slices.DeleteFunc([]trampoline.Limit{
		{Which: unix.RLIMIT_CPU, Value: uint64((r.CPU + time.Second - 1) / time.Second)},
		{Which: unix.RLIMIT_NOFILE, Value: uint64(r.Files)},
		{Which: unix.RLIMIT_NPROC, Value: uint64(r.Processes)},
		{Which: unix.RLIMIT_FSIZE, Value: uint64(r.FileSize)},
		{Which: unix.RLIMIT_AS, Value: uint64(r.Memory)},
	}, func(l trampoline.Limit) bool { return l.Value == 0 })
}

// jumps reports whether there is something that a process has to do itself before it runs its program.
func (r *Restrictions) jumps() bool {
	return r.AsUser || *r != Restrictions{Nice: r.Nice, Umask: r.Umask, UID: r.UID, GID: r.GID} || r.Umask != 0 && !threadsMask()
}
