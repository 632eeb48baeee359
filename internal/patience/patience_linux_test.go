package patience_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/internal/patience"
)

// onFirstProcessor starts a command that runs on the first processor alone.
func onFirstProcessor(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	runtime.LockOSThread() // a child inherits it of the thread
	defer runtime.UnlockOSThread()
	var all, first unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &all))
	cpu := 0
	for !all.IsSet(cpu) {
		cpu++
	}
	first.Set(cpu)
	require.NoError(t, unix.SchedSetaffinity(0, &first))
	c := exec.Command("sh", "-c", script)
	require.NoError(t, c.Start())
	require.NoError(t, unix.SchedSetaffinity(0, &all))
	return c
}

// A process that has no processor is waited for, and one that does nothing is not.
func TestPatience(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("needs /proc/PID/schedstat")
	}
	const limit = 300 * time.Millisecond
	var processes []*exec.Cmd
	t.Cleanup(func() {
		for _, c := range processes {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	hangs := onFirstProcessor(t, "exec sleep 600")
	processes = append(processes, hangs)
	ctx, cancel := patience.WithTimeout(t.Context(), limit, func() int { return hangs.Process.Pid })
	defer cancel()
	<-ctx.Done()
	require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)

	for range 8 {
		processes = append(processes, onFirstProcessor(t, "while :; do :; done"))
	}
	late := processes[len(processes)-1].Process.Pid
	ctx, cancel = patience.WithTimeout(t.Context(), limit, func() int { return late })
	defer cancel()
	for before := delayOf(t, late); delayOf(t, late)-before < 3*limit; {
		select {
		case <-ctx.Done():
			require.NoError(t, ctx.Err())
		case <-time.After(limit / 10): // nothing tells what is waited for here
		}
	}
	require.NoError(t, ctx.Err())
}

// delayOf returns for how long a process has waited for a processor.
func delayOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	require.NoError(t, err)
	var ran, delayed int64
	_, err = fmt.Sscan(string(text), &ran, &delayed)
	require.NoError(t, err)
	return time.Duration(delayed)
}
