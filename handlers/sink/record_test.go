package sink

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// told passes on what is logged.
type told chan string

func (c told) Write(line []byte) (int, error) {
	c <- string(line)
	return len(line), nil
}

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(told, 10)
		log := func() hclog.Logger {
			return hclog.New(&hclog.LoggerOptions{Output: lines, DisableTime: true})
		}
		r := &record{}
		admitted := func(n int) (shown int) {
			for range n {
				if r.admit(100, log) {
					shown++
				}
			}
			return shown
		}

		require.Equal(t, maxRate, admitted(maxRate+5))
		began := time.Now()
		require.Equal(t, "[WARN]  received more than is shown: messages=5 bytes=500\n", <-lines, "though nothing more arrives")
		require.Equal(t, interval, time.Since(began))

		require.Equal(t, maxRate, admitted(maxRate), "another interval")
		time.Sleep(interval)

		require.Equal(t, maxRate, admitted(maxRate+1))
		require.NoError(t, r.close())
		require.Equal(t, "[WARN]  received more than is shown: messages=1 bytes=100\n", <-lines)

		time.Sleep(2 * interval)
		synctest.Wait()
		require.Empty(t, lines, "all is told once")
	})
}
