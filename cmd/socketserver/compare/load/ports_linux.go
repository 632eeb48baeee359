package load

import (
	"sync/atomic"
	"time"
)

// ports bounds the connections that may leave their local port in TIME_WAIT. The system reuses such a
// port after a minute, or after a second.
type ports struct {
	burst  int64   // less than 0: no bound
	again  float64 // more per second
	start  time.Time
	closed atomic.Int64
}

func (p *ports) init(start time.Time) {
	p.start, p.burst = start, int64(freePorts())
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

// spare reports whether one more connection may leave its port in TIME_WAIT.
func (p *ports) spare(now time.Time) bool {
	return p.burst < 0 || p.closed.Add(1) <= p.burst+int64(p.again*now.Sub(p.start).Seconds())
}
