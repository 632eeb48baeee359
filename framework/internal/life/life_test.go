package life

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A request that takes its time to be killed keeps no other alive.
func TestCutKillsAll(t *testing.T) {
	killed, hold := make(chan int), make(chan struct{})
	defer close(hold)
	var l Life[int]
	l.Init(func(r int) {
		killed <- r
		<-hold
	}, func() {})
	for r := range 3 {
		l.Remember(r)
	}
	l.Cut()
	var all []int
	for range 3 {
		select {
		case r := <-killed:
			all = append(all, r)
		case <-time.After(time.Minute):
			require.FailNow(t, "one waits for another", all)
		}
	}
	require.ElementsMatch(t, []int{0, 1, 2}, all)
}
