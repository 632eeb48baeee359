package ratelog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAllowCountsWhatItSuppresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		allowed := func() (mores []int) {
			for range 5 {
				if more, ok := l.Allow(2); ok {
					mores = append(mores, more)
				}
			}
			return mores
		}
		require.Equal(t, []int{0, 0}, allowed())
		time.Sleep(time.Second)
		require.Equal(t, []int{3, 0}, allowed(), "the first event of a second has what was suppressed")
		time.Sleep(time.Second - 1)
		require.Empty(t, allowed(), "the second is not over")
		time.Sleep(time.Nanosecond)
		require.Equal(t, []int{8, 0}, allowed())
	})
}

func TestAdmitReportsAtTheEndOfTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type totals struct{ events, bytes int }
		reports := make(chan totals, 10)
		var l Limiter
		admitted := func(n int) (count int) {
			for range n {
				if l.Admit(10, 100, func(events, bytes int) { reports <- totals{events, bytes} }) {
					count++
				}
			}
			return count
		}
		require.Equal(t, 10, admitted(15))
		began := time.Now()
		require.Equal(t, totals{5, 500}, <-reports, "though no event follows")
		require.Equal(t, time.Second, time.Since(began))

		require.Equal(t, 10, admitted(10), "another second")
		time.Sleep(time.Second)

		require.Equal(t, 10, admitted(11))
		l.Flush()
		require.Equal(t, totals{1, 100}, <-reports)

		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Empty(t, reports, "each suppressed event is reported once")
	})
}

func TestMore(t *testing.T) {
	require.Equal(t, []any{"error", 1}, More(0, "error", 1))
	require.Equal(t, []any{"error", 1, "more", 7}, More(7, "error", 1))
}
