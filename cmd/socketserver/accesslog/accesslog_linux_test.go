package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/cmd/socketserver/accesslog"
	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/framework/frameworktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	client  = &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 7}
	local   = &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 8}
	request = &framework.Request{Server: "s", Network: "tcp", ClientAddress: client, LocalAddress: local}
	outcome = framework.Outcome{Err: fmt.Errorf("%w: signal: killed", framework.ErrWorkerGone), Duration: 1500 * time.Microsecond, Wait: time.Millisecond, In: 3, Out: 4, Pid: 5}
)

func lines(t *testing.T, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	if len(text) == 0 {
		return nil
	}
	require.Equal(t, byte('\n'), text[len(text)-1])
	return bytes.Split(text[:len(text)-1], []byte("\n"))
}

func TestLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := accesslog.Open(path, hclog.NewNullLogger())
	require.NoError(t, err)
	l.Add(request, outcome)
	l.Add(&framework.Request{Server: "ü", Network: "unix", ClientAddress: &net.UnixAddr{Name: "a\"\n\u202e\U0001f600"}}, framework.Outcome{Err: errors.New("no"), In: -1, Out: -1})
	require.NoError(t, l.Close())
	all := lines(t, path)
	require.Len(t, all, 2)
	var got map[string]any
	require.NoError(t, json.Unmarshal(all[0], &got))
	at, err := time.Parse(time.RFC3339Nano, got["@timestamp"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Hour)
	delete(got, "@timestamp")
	require.Equal(t, map[string]any{
		"server": "s", "network": "tcp", "client": "192.0.2.1:7", "local": "[2001:db8::1]:8", "pid": 5.0,
		"duration_us": 1500.0, "wait_us": 1000.0, "in": 3.0, "out": 4.0, "outcome": "killed",
	}, got)
	require.NoError(t, json.Unmarshal(all[1], &got))
	require.Equal(t, "a\"\n\u202e\U0001f600", got["client"])
	require.Equal(t, "ü", got["server"])
	require.Equal(t, "error", got["outcome"])
	require.Contains(t, string(all[1]), `"in":null,"out":null`)
	require.Less(t, bytes.IndexFunc(all[1], func(r rune) bool { return r > '~' }), 0)
}

func TestRotationLosesNoLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	l, err := accesslog.Open(path, hclog.NewNullLogger())
	require.NoError(t, err)
	const writers, each, rotations = 4, 2000, 20
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				l.Add(request, outcome)
			}
		})
	}
	for n := range rotations {
		require.NoError(t, os.Rename(path, fmt.Sprint(path, n)))
		require.NoError(t, l.Reopen())
	}
	all.Wait()
	require.NoError(t, l.Close())
	require.Zero(t, l.Lost())
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, files, rotations+1)
	total := 0
	for _, file := range files {
		for _, line := range lines(t, file) {
			require.True(t, json.Valid(line), "%s", line)
			total++
		}
	}
	require.Equal(t, writers*each, total)
}

// A pipe that nobody reads delays no Add: it would wait for ever. What is dropped is counted.
func TestAPipeThatIsNotReadDelaysNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := accesslog.Open(path, hclog.NewNullLogger())
	require.ErrorContains(t, err, "nothing reads the pipe")
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	log := frameworktest.NewLog()
	l, err := accesslog.Open(path, hclog.New(&hclog.LoggerOptions{Output: log}))
	require.NoError(t, err)
	for l.Lost() == 0 {
		l.Add(request, outcome)
	}
	require.NoError(t, l.Close())
	require.Contains(t, log.String(), "access log lines dropped")
}

// Nor does it delay the signal that reopens it: a daemon that stops waits until that has been handled.
func TestAPipeThatIsNotReadIsReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	l, err := accesslog.Open(path, hclog.NewNullLogger())
	require.NoError(t, err)
	for l.Lost() == 0 {
		l.Add(request, outcome)
	}
	reopened := make(chan error, 1)
	go func() { reopened <- l.Reopen() }()
	require.NoError(t, frameworktest.Await(t, reopened))
	require.NoError(t, l.Close())
}

// The reader of a pipe would take the end of a check for the end of the log.
func TestCheckOpensNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, accesslog.Check(path))
	state := []unix.PollFd{{Fd: int32(reader.Fd()), Events: unix.POLLIN}}
	_, err = unix.Poll(state, 0)
	require.NoError(t, err)
	require.Zero(t, state[0].Revents, "it has had a writer")
}

func TestAFullDiskIsReported(t *testing.T) {
	log := frameworktest.NewLog()
	l, err := accesslog.Open("/dev/full", hclog.New(&hclog.LoggerOptions{Output: log}))
	require.NoError(t, err)
	const added = 100
	for range added {
		l.Add(request, outcome)
	}
	require.NoError(t, l.Close())
	require.EqualValues(t, added, l.Lost())
	require.Contains(t, log.String(), "no space left on device")
	require.True(t, strings.Contains(log.String(), "lines="))
}

func TestOpenAndReopenReportErrors(t *testing.T) {
	_, err := accesslog.Open(filepath.Join(t.TempDir(), "none", "access.log"), hclog.NewNullLogger())
	require.ErrorContains(t, err, "make the directory")
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(dir, 0o700))
	l, err := accesslog.Open(filepath.Join(dir, "access.log"), hclog.NewNullLogger())
	require.NoError(t, err)
	require.NoError(t, os.Rename(dir, dir+".old"))
	require.Error(t, l.Reopen())
	l.Add(request, outcome)
	require.NoError(t, l.Close())
	require.Len(t, lines(t, filepath.Join(dir+".old", "access.log")), 1)
}

func BenchmarkAdd(b *testing.B) {
	l, err := accesslog.Open(filepath.Join(b.TempDir(), "access.log"), hclog.NewNullLogger())
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		l.Add(request, outcome)
	}
	require.NoError(b, l.Close())
}
