package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// newTestPace is that of one client that is due each second; it is late by that much.
func newTestPace(t *testing.T, late time.Duration) *pace {
	t.Helper()
	p := connections("127.0.0.1:1")
	p.Clients, p.Rate, p.Duration = 1, 1, frameworktest.Patience
	pace := newPace(p, 0, time.Now().Add(-late))
	t.Cleanup(pace.alarm.close)
	return &pace
}

// A request counts from when it was due, whatever it was late for: also for so little that it
// may have been a timer.
func TestCountsFromDue(t *testing.T) {
	for _, late := range []time.Duration{0, time.Millisecond, time.Second} {
		p := newTestPace(t, late)
		due := p.due
		require.True(t, p.next(t.Context()))
		require.Equal(t, due, p.since)
	}
	p := newTestPace(t, 0)
	p.due = p.now.Add(5 * time.Millisecond)
	due := p.due
	require.True(t, p.next(t.Context()))
	require.Equal(t, due, p.since)
	require.False(t, p.now.Before(due))
}

// The end of the round wakes a client that waits for a request due long after it.
func TestStopsWaiting(t *testing.T) {
	p := newTestPace(t, 0)
	if p.alarm == nil {
		t.Skip("clients wait for a timer, which ends with the round")
	}
	p.due = p.now.Add(time.Hour)
	next := make(chan bool)
	go func() { next <- p.next(t.Context()) }()
	p.alarm.stop()
	require.False(t, <-next)
	require.Equal(t, p.limit, p.due)
}
