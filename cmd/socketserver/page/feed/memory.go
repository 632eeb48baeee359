package feed

import (
	"math"
	"time"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
)

// memory has the resident memory of processes, read once a second.
type memory map[int]resident

type resident struct {
	mib      float64
	at, used time.Time
}

// of returns that of a process in MiB; 0: it has ended, or the system does not tell.
func (m memory) of(pid int, now time.Time) float64 {
	r, known := m[pid]
	if !known || now.Sub(r.at) >= time.Second {
		r.mib, r.at = math.Round(10*float64(supervisor.Resident(pid))/(1<<20))/10, now
	}
	r.used = now
	m[pid] = r
	return r.mib
}

// forget removes processes that are not asked for any more.
func (m memory) forget(now time.Time) {
	for pid, r := range m {
		if r.used.Before(now) {
			delete(m, pid)
		}
	}
}
