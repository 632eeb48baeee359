package worker

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// The test binary is the child, too.
func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(Variable); ok {
		serve(name)
		if slices.Contains(os.Args, "stay") { // as where what a handler has started keeps it
			select {}
		}
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

// serve finishes each task at once.
func serve(name string) {
	var c struct{}
	p, err := Adopt(name, &c)
	if err == nil {
		err = p.SayHello(Hello{})
	}
	for err == nil {
		err = p.Next(func(f *handoff.Frame, _ *handoff.Descriptor) error {
			p.Finish(&handoff.Frame{Kind: handoff.Outcome, ID: f.ID})
			return nil
		})
	}
	if !errors.Is(err, io.EOF) {
		panic(err)
	}
}

func config(args ...string) Config {
	return Config{
		Log: hclog.NewNullLogger(), Server: "test", Processors: 1, Args: args,
		Configure: []byte("{}"), Event: func(int, bool, error) {},
	}
}

// task is for any process.
func task(t *testing.T) *Task {
	stop := make(chan struct{})
	late := time.AfterFunc(60*time.Second, func() { close(stop) })
	t.Cleanup(func() { late.Stop() })
	return &Task{
		Frame: handoff.Frame{Kind: handoff.Datagram, Network: "udp"}, Stop: stop,
		Killable: func(int, func()) {},
		Conclude: ErrorOf,
	}
}

func newPool(t *testing.T, size PoolSize, args ...string) *Pool {
	t.Helper()
	p, err := NewPool(config(args...), size)
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(nil) })
	return p
}

func eventually(t *testing.T, what func() bool, message string) {
	t.Helper()
	require.Eventually(t, what, 60*time.Second, time.Millisecond, message)
}

// do has p finish a task.
func do(t *testing.T, p *Pool) error {
	t.Helper()
	j := task(t)
	slot, err := p.Take(j.Stop)
	require.NoError(t, err)
	return p.Do(slot, j)
}

// freeze stops a process, and returns when all its threads have stopped.
func freeze(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	const pPid, wStopped, wNoWait = 1, 2, 0x01000000
	for errno := syscall.EINTR; errno == syscall.EINTR; {
		_, _, errno = syscall.Syscall6(syscall.SYS_WAITID, pPid, uintptr(pid), 0, wStopped|wNoWait, 0, 0)
	}
}
