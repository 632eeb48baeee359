package worker

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/process"
)

// A program is asked what it is once for all groups that are open, also those that open together.
func TestProgramIsAskedOnce(t *testing.T) {
	c := config()
	c.Path, c.Ask, c.Question = os.Args[0], c.Configure, "a"
	other := c
	other.Question = "b"
	open := func(started int64, configs ...Config) (unpin func()) {
		t.Helper()
		before := process.Started()
		groups := make([]*group, len(configs))
		errs := make([]error, len(configs))
		var opening sync.WaitGroup
		for i, c := range configs {
			opening.Go(func() { groups[i], errs[i] = newGroup(c) })
		}
		opening.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, started, process.Started()-before)
		return func() {
			for _, g := range groups {
				require.NoError(t, g.unpin())
			}
		}
	}
	defer open(1, c)()
	defer open(1, c, other, c, other)()
	open(0, c, other)()
}

// An answer is not kept longer than the program is open, and a failure not at all.
func TestProgramIsAskedAgain(t *testing.T) {
	c := config()
	c.Path, c.Ask = "/bin/false", c.Configure
	for range 2 {
		before := process.Started()
		_, err := newGroup(c)
		require.ErrorContains(t, err, "/bin/false does not serve as a worker")
		require.EqualValues(t, 1, process.Started()-before)
	}
}

// What ends a worker as it begins may be its limit of memory, which it cannot say.
func TestWorkerWithoutMemory(t *testing.T) {
	for _, memory := range []int64{1 << 20, 10 << 20, 50 << 20} {
		c := config()
		c.Restrictions.Memory, c.Ask = memory, []byte("{}")
		_, err := NewPool(c, PoolSize{Children: 1, Tasks: 1})
		require.ErrorContains(t, err, fmt.Sprintf("its memory is limited to %d KiB", memory>>10))
		require.ErrorContains(t, err, "a worker does not start")
	}
}

// A program that is no worker is said to be none, also where its memory is limited.
func TestProgramWithMemoryThatIsNoWorker(t *testing.T) {
	for _, path := range []string{"/bin/true", "/bin/false", "/bin/cat"} {
		c := config()
		c.Path, c.Restrictions.Memory, c.Ask = path, 1<<30, []byte("{}")
		_, err := NewPool(c, PoolSize{Children: 1, Tasks: 1})
		require.ErrorContains(t, err, path+" does not serve as a worker; it has to call framework.ServeWorker first")
		require.ErrorContains(t, err, "its memory is limited to 1048576 KiB")
	}
}
