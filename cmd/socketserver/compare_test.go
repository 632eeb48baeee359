package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ^C in the middle ends a comparison and leaves nothing behind, whatever it was doing; so
// does the end of the command by force.
func TestCompareInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		args   []string
	}{
		"under load":        {syscall.SIGINT, []string{"--duration", "1h", "--mishaps=false"}},
		"with mishaps":      {syscall.SIGINT, []string{"--duration", "100ms", "--loads", "connections"}},
		"killed under load": {syscall.SIGKILL, []string{"--duration", "1h", "--mishaps=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"compare", "--strategies", "threading,forking-reuse,preforking,plugin-forking", "--clients", "2"}, c.args...)
			command := exec.Command("socketserver", args...)

			stderr, err := command.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			lines := bufio.NewScanner(stderr)
			for lines.Scan() && !strings.Contains(lines.Text(), "% done") { // a line every five seconds
			}
			subjects := subjectsOf(t, command.Process.Pid)
			require.NotEmpty(t, subjects)
			require.NoError(t, command.Process.Signal(c.signal))
			for lines.Scan() {
			}
			err = command.Wait()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			if c.signal == syscall.SIGINT {
				require.Equal(t, 1, exit.ExitCode())
			}
			for _, pid := range subjects {
				requireGone(t, pid)
			}
		})
	}
}

// subjectsOf are the servers that a comparison has started.
func subjectsOf(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	if len(stats) == 0 {
		t.Skip("needs /proc")
	}
	var all []int
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have gone
		var child, parent int
		var state string
		before, after, _ := strings.Cut(string(text), " (")
		_, after, _ = strings.Cut(after, ") ")
		_, _ = fmt.Sscan(before, &child)
		if _, err := fmt.Sscan(after, &state, &parent); err == nil && parent == pid {
			all = append(all, child)
		}
	}
	return all
}

// requireGone waits until a process has ended that is not ours to wait for.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(late), "process %d is left", pid)
	}
}
