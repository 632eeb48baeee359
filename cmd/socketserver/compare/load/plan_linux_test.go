package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A lack of descriptors or ports is found before the run.
func TestCheck(t *testing.T) {
	p := connections("127.0.0.1:1")
	require.NoError(t, p.Check(0, 0))
	require.ErrorContains(t, p.Check(0, 1<<30+60), "a process needs 1073741")
	p.Clients = 1 << 30
	require.ErrorContains(t, p.Check(0, 0), "raise it, as with ulimit -n 107374")
	require.Regexp(t, `ulimit|widen net\.ipv4\.ip_local_port_range`, p.Check(0, 0))
}

// What was due and not answered is counted to the last request, also at absurd rates.
func TestUnanswered(t *testing.T) {
	for _, interval := range []time.Duration{time.Nanosecond, time.Microsecond, 300 * time.Microsecond, time.Millisecond, 2 * time.Second} {
		start := time.Now()
		p := pace{interval: interval, due: start, limit: start.Add(time.Second)}
		var yields, times int64
		p.unanswered(func(waited time.Duration, n int64) {
			require.Positive(t, waited)
			yields++
			times += n
		})
		require.Equal(t, int64((time.Second+interval-1)/interval), times)
		require.LessOrEqual(t, yields, int64(2001))
	}
}

// The clients of an open loop do not send all at once.
func TestPhases(t *testing.T) {
	p := connections("127.0.0.1:1")
	p.Rate = 100
	start := time.Now()
	for i := range p.Clients {
		require.Equal(t, time.Duration(i)*10*time.Millisecond, newPace(p, i, start).due.Sub(start))
	}
}
