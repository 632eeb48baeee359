package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// ^C in the middle reports the rounds that are done and leaves nothing behind, whatever the
// comparison was doing; nor does the end of the command by force.
func TestCompareInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		signal syscall.Signal
		args   []string
		until  string // a line of progress
		report string
	}{
		"under load":        {syscall.SIGINT, []string{"--duration", "1h", "--mishaps=false"}, `% done`, `^$`},
		"with mishaps":      {syscall.SIGINT, []string{"--duration", "100ms", "--loads", "connections"}, `round ([2-9]|10) of|left: \w+: `, `interrupted after \d+ of 10 rounds`},
		"killed under load": {syscall.SIGKILL, []string{"--duration", "1h", "--mishaps=false"}, `% done`, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			directory := shortDirectory(t)
			args := append([]string{"compare", "--strategies", "threading, forking, max_requests = 100, preforking, plugin forking", "--clients", "2"}, c.args...)
			command := exec.Command("socketserver", args...)
			command.Env = append(os.Environ(), "TMPDIR="+directory)
			var report bytes.Buffer
			command.Stdout = &report
			stderr, err := command.StderrPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			lines := bufio.NewScanner(stderr)
			for until := regexp.MustCompile(c.until); lines.Scan() && !until.MatchString(lines.Text()); { // a line every five seconds
			}
			var subjects map[int]string
			require.Eventually(t, func() bool { // between two turns there is none
				subjects = frameworktest.Children(t, command.Process.Pid)
				return len(subjects) > 0
			}, frameworktest.Patience, time.Millisecond)
			require.NoError(t, command.Process.Signal(c.signal))
			var last string
			for lines.Scan() {
				last = lines.Text()
			}
			err = command.Wait()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Regexp(t, c.report, report.String())
			for pid := range subjects {
				frameworktest.AwaitEnd(t, pid)
			}
			if c.signal == syscall.SIGINT {
				require.Equal(t, 1, exit.ExitCode())
				require.Equal(t, "socketserver: compare: interrupted", last)
				requireEmpty(t, directory)
			}
		})
	}
}

// A second ^C does not wait for the first one's end, and leaves nothing behind either.
func TestCompareInterruptedTwice(t *testing.T) {
	for _, c := range []struct {
		servers int // that run at a time
		args    []string
	}{
		{3, []string{"--duration", "1h", "--mishaps=false"}},
		{4, []string{"--duration", "10ms", "--rounds", "1", "--loads", "connections"}}, // only in the mishaps
	}[:often(1, 2)] {
		servers, args := c.servers, c.args
		for _, between := range []time.Duration{0, 20 * time.Millisecond}[:often(1, 2)] {
			directory := shortDirectory(t)
			command := exec.Command("socketserver", append([]string{"compare", "--strategies", "forking,plugin threading,plugin forking", "--clients", "2"}, args...)...)
			command.Env = append(os.Environ(), "TMPDIR="+directory)
			require.NoError(t, command.Start())
			awaitServers(t, directory, servers)
			subjects := frameworktest.Children(t, command.Process.Pid)
			require.NoError(t, command.Process.Signal(syscall.SIGINT))
			time.Sleep(between) // a person's, of any length
			_ = command.Process.Signal(syscall.SIGINT)
			var exit *exec.ExitError
			require.ErrorAs(t, command.Wait(), &exit)
			requireEmpty(t, directory)
			for pid := range subjects {
				frameworktest.AwaitEnd(t, pid)
			}
		}
	}
}

// shortDirectory is so short that subjects take it too.
func shortDirectory(t *testing.T) string {
	t.Helper()
	directory, err := os.MkdirTemp("/tmp", "c")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	return directory
}

// requireEmpty requires that no subject has left its directory behind.
func requireEmpty(t *testing.T, directory string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(directory, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// awaitServers waits until so many have their directories.
func awaitServers(t *testing.T, directory string, servers int) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(directory, "sockcmp-*"))
		return len(found) >= servers
	}, frameworktest.Patience, time.Millisecond)
}
