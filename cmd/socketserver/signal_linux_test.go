package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// A second signal does not wait for who does not read the log.
func TestSecondSignalUnread(t *testing.T) {
	t.Parallel()
	log, theirs, err := os.Pipe()
	require.NoError(t, err)
	defer log.Close()
	defer theirs.Close()
	cmd := exec.Command("socketserver", "serve", "--listen", "tcp://127.0.0.1:0", "--handler", "echo", "--log-format", "json")
	cmd.Stderr = theirs
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(frameworktest.Patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(log)
	var l struct{ Address string }
	for lines.Scan() && !strings.Contains(lines.Text(), `"ready"`) {
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l))
	}
	conn := dial(t, listener{network: "tcp", address: l.Address})
	require.Equal(t, "hello", frameworktest.Ask(t, conn, "hello")) // it is cut off, which is logged
	fill(t, theirs)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var status *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &status)
	require.Equal(t, exitUsage, status.ExitCode())
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
