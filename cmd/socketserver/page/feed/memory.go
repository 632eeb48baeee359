package feed

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
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
		r.mib, r.at = read(pid), now
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

func read(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1]))
	return math.Round(10*float64(pages*os.Getpagesize())/(1<<20)) / 10
}
