package supervisor_test

import (
	"fmt"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/cmd/socketserver/supervisor"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// total returns the counts of the only server, which add up.
func (s *running) total(t *testing.T) supervisor.Counts {
	t.Helper()
	all := s.Counts()
	require.Len(t, all, 1)
	n := all[0].Counts
	sum := n.Active
	for _, ended := range n.Ended {
		sum += ended
	}
	for _, refused := range n.Refused {
		sum += refused
	}
	require.Equal(t, n.Accepted, sum)
	require.GreaterOrEqual(t, n.Waiting, int64(0))
	require.LessOrEqual(t, n.Waiting, n.Active)
	return n
}

// Under every strategy each request is counted once, also after its process was killed, and over
// a replacement.
func TestCountersAddUp(t *testing.T) {
	for _, strategy := range []string{"synchronous", "threading", "forking", "preforking"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			block := func(prefix string) string { return server("s", anyPort, fmt.Sprintf("%q {}", strategy), prefix, "") }
			s := start(t, block("1"))
			l := s.status(t, "s").Listeners[0]
			const asked = 20
			for range asked {
				_, err := ask(l)
				require.NoError(t, err)
			}
			held := dial(t, l)
			frameworktest.Ask(t, held, "hello")
			want := int64(asked + 1)
			require.LessOrEqual(t, s.total(t).Accepted, want) // workers report it a moment later

			s.apply(t, block("2"))
			want++
			if workers := s.all(strategy); workers != nil {
				next := dial(t, l)
				require.Contains(t, frameworktest.Ask(t, next, "hello"), "hello")
				for _, pid := range workers() {
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
				}
				_, _ = io.Copy(io.Discard, next)
				_, _ = io.Copy(io.Discard, held)
			} else {
				require.NoError(t, held.Close())
				_, err := ask(l)
				require.NoError(t, err)
			}
			s.end()
			n := s.total(t)
			require.Equal(t, want, n.Accepted)
			require.Zero(t, n.Active)
			require.Zero(t, n.Waiting)
			if s.all(strategy) != nil {
				require.EqualValues(t, 2, n.Ended[supervisor.Killed])
				require.EqualValues(t, asked, n.Ended[supervisor.OK])
				require.Equal(t, n.WorkerStarts, n.WorkerDeaths)
				require.GreaterOrEqual(t, n.WorkerFailures, int64(2))
			} else {
				require.Equal(t, want, n.Ended[supervisor.OK])
				require.EqualValues(t, want*int64(len("hello")), n.In)
				require.EqualValues(t, want*int64(len("1hello")), n.Out)
			}
			var durations int64
			for _, requests := range n.Durations {
				durations += requests
			}
			require.Equal(t, want, durations)
		})
	}
}

// all returns what lists the processes of every instance; nil: the strategy has none.
func (s *running) all(strategy string) func() []int {
	if strategy != "forking" && strategy != "preforking" {
		return nil
	}
	return func() (pids []int) {
		for _, status := range s.Status() {
			for _, worker := range status.Workers {
				pids = append(pids, worker.Pid)
			}
		}
		return pids
	}
}
