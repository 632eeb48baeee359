package load

import (
	"sync/atomic"
	"time"
)

// ports is how many connections may leave their local port waiting, as the side does that
// closes first. The system lends such a port again after a minute, or after a second.
type ports struct {
	burst  int64   // less than 0: any number
	again  float64 // more in each second
	start  time.Time
	closed atomic.Int64
}

func (p *ports) lendFrom(start time.Time) {
	p.start, p.burst = start, int64(Ports())
	if p.burst < 0 {
		return
	}
	if reusesPorts() {
		p.burst = p.burst * 2 / 5 // and as many in the first second
		p.again = float64(p.burst)
		return
	}
	p.burst /= 2
}

// spare says whether one more connection may do so.
func (p *ports) spare(now time.Time) bool {
	return p.burst < 0 || p.closed.Add(1) <= p.burst+int64(p.again*now.Sub(p.start).Seconds())
}
