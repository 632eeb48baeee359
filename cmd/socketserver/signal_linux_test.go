package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// Nothing waits for a log that is not read.
func TestUnreadLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args    []string
		signals []os.Signal
		status  int
	}{
		"SIGTERM":         {nil, []os.Signal{syscall.SIGTERM}, 0},
		"SIGINT, text":    {[]string{"--log-format", "text"}, []os.Signal{os.Interrupt}, 0},
		"forking":         {[]string{"--concurrency", "forking"}, []os.Signal{syscall.SIGTERM}, 0},
		"a second signal": {nil, []os.Signal{syscall.SIGTERM, os.Interrupt}, exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, theirs, err := os.Pipe()
			require.NoError(t, err)
			defer log.Close()
			defer theirs.Close()
			path := filepath.Join(t.TempDir(), "s")
			cmd := exec.Command("socketserver", append([]string{"serve", "--listen", "unix://" + path, "--handler", "echo"}, c.args...)...)
			cmd.Stderr = theirs
			require.NoError(t, cmd.Start())
			late := time.AfterFunc(frameworktest.Patience, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			for lines := bufio.NewScanner(log); lines.Scan() && !strings.Contains(lines.Text(), "ready"); {
			}
			conn := frameworktest.DialAddress(t, "unix", path)
			require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello"))
			fill(t, theirs)
			for range 3 {
				require.NoError(t, cmd.Process.Signal(syscall.SIGHUP)) // is logged
				again := frameworktest.DialAddress(t, "unix", path)
				require.Equal(t, "served", frameworktest.Ask(t, again, "served"))
				require.NoError(t, again.Close())
			}
			if len(c.signals) == 1 {
				require.NoError(t, conn.Close())
			}
			for _, s := range c.signals {
				require.NoError(t, cmd.Process.Signal(s))
			}
			_ = cmd.Wait()
			require.Equal(t, c.status, cmd.ProcessState.ExitCode(), cmd.ProcessState)
		})
	}
}

// fill writes to a pipe what it takes, without a change for others who write to it.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	for err == nil {
		_, err = syscall.Write(fd, []byte("x"))
	}
	require.True(t, errors.Is(err, syscall.EAGAIN), err)
}
