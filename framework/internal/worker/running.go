package worker

import (
	"slices"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// running are the requests of a shared socket that a process has begun and has not ended, by its
// events. A process that is killed cannot report their ends. It belongs to Process.receive.
type running map[party][]time.Time // when they began

// A party is what tells requests apart. Clients of Unix sockets may have no address.
type party struct{ network, client, local string }

func (r *running) note(f *handoff.Frame) {
	if f.Kind != handoff.Event {
		return
	}
	of := party{f.Network, f.Client, f.Local}
	switch began := (*r)[of]; {
	case f.Flags == handoff.Started && *r == nil:
		*r = running{of: {time.Now()}}
	case f.Flags == handoff.Started:
		(*r)[of] = append(began, time.Now())
	case f.Flags == handoff.Ended && len(began) > 1:
		(*r)[of] = slices.Delete(began, 0, 1)
	case f.Flags == handoff.Ended:
		delete(*r, of)
	}
}

// abandon ends the requests that run in p, which has gone.
func (h *inflight) abandon(p *Process) {
	for of, began := range h.running {
		for _, at := range began {
			h.task.Event(p.pid, &handoff.Frame{
				Kind: handoff.Event, Flags: handoff.Ended, Status: handoff.Gone, Text: p.err.Error(),
				Network: of.network, Client: of.client, Local: of.local, Duration: int64(time.Since(at)),
			})
		}
	}
}
