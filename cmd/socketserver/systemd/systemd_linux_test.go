package systemd_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/cmd/socketserver/systemd"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

// manager is in the place of systemd. next returns what it is told next.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(frameworktest.Patience)))
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		require.NoError(t, err)
		return string(buf[:n])
	}
}

// monotonic is the clock that systemd compares, in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return now.Nano() / 1000
}

func TestNotices(t *testing.T) {
	next := manager(t)
	n := systemd.NewNotifier(hclog.NewNullLogger())
	n.Ready("serving 2 servers")
	require.Equal(t, fmt.Sprintf("READY=1\nMAINPID=%d\nSTATUS=serving 2 servers", os.Getpid()), next())
	before := monotonic(t)
	n.Reloading()
	said := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)$`).FindStringSubmatch(next())
	require.Len(t, said, 2)
	var at int64
	_, err := fmt.Sscan(said[1], &at)
	require.NoError(t, err)
	require.GreaterOrEqual(t, at, before)
	require.LessOrEqual(t, at, monotonic(t))
	n.ExtendTimeout(2 * time.Second)
	require.Equal(t, "EXTEND_TIMEOUT_USEC=2000000", next())
	n.Stopping("draining")
	require.Equal(t, "STOPPING=1\nSTATUS=draining", next())
}

// A process that is the service no more tells systemd nothing.
func TestNoticesAfterMainPID(t *testing.T) {
	next := manager(t)
	old := systemd.NewNotifier(hclog.NewNullLogger())
	old.MainPID(42)
	require.Equal(t, "MAINPID=42", next())
	old.Stopping("draining")
	systemd.NewNotifier(hclog.NewNullLogger()).Stopping("the other one stops")
	require.Equal(t, "STOPPING=1\nSTATUS=the other one stops", next())
}

func TestWatchdogIsPingedAfterAnAnswer(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	asked, answer := make(chan struct{}), make(chan struct{})
	n := systemd.NewNotifier(hclog.NewNullLogger())
	stop := n.Watch(func() {
		asked <- struct{}{}
		<-answer
	})
	defer stop()
	frameworktest.Await(t, asked)
	n.ExtendTimeout(1 * time.Second) // a ping would have come before it
	require.Equal(t, "EXTEND_TIMEOUT_USEC=1000000", next())
	answer <- struct{}{}
	require.Equal(t, "WATCHDOG=1", next())
	frameworktest.Await(t, asked)
	n.ExtendTimeout(2 * time.Second)
	require.Equal(t, "EXTEND_TIMEOUT_USEC=2000000", next())
	close(answer)
}

func TestExtend(t *testing.T) {
	next := manager(t)
	stop := systemd.NewNotifier(hclog.NewNullLogger()).Extend(func() {})
	defer stop()
	require.Equal(t, "EXTEND_TIMEOUT_USEC=15000000", next())
}

func TestWithoutServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var log bytes.Buffer
	n := systemd.NewNotifier(hclog.New(&hclog.LoggerOptions{Output: &log}))
	n.Ready("serving")
	n.Watch(func() { t.Error("nobody watches") })()
	n.Extend(func() { t.Error("nobody waits") })()
	sockets, err := systemd.Sockets()
	require.NoError(t, err)
	require.Empty(t, sockets)
	require.Empty(t, log.String())
}

// What cannot be told is logged once.
func TestUnreachableServiceManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "absent"))
	var log bytes.Buffer
	n := systemd.NewNotifier(hclog.New(&hclog.LoggerOptions{Output: &log}))
	n.Ready("serving")
	n.Stopping("stopping")
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("cannot notify systemd")))
}
