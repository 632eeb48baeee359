package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/framework/internal/life"
)

// The spawner is the one thread that starts processes. It lives as long as its users: the system
// sends a death signal when the thread that started the child dies. What a child is to inherit is
// set on this thread alone, and costs its start nothing: no program gives it privileges
// (no_new_privs), the files that it makes are its user's alone (umask 077), and no signal is blocked.
var spawner struct {
	users life.Refcount
	jobs  chan func()
}

// KeepSpawner keeps the thread that starts processes until release is called, so that a start
// does not wait for it. A process keeps it from Start to Wait.
func KeepSpawner() (release func()) {
	_ = spawner.users.Acquire(func() error {
		spawner.jobs = make(chan func())
		go spawn(spawner.jobs)
		return nil
	})
	return func() {
		_ = spawner.users.Release(func() error { close(spawner.jobs); return nil })
	}
}

// onSpawner has start run on the spawner. Timers of the child may be late by slack; 0: by what is
// usual. A millisecond is what those of Go wait in anyhow: the monitor thread of its runtime else
// wakes thirty times in the life of a child that serves one request.
func onSpawner(slack time.Duration, start func() (*os.Process, error)) (p *os.Process, err error) {
	done := make(chan struct{})
	spawner.jobs <- func() {
		defer close(done)
		prctl(syscall.PR_SET_TIMERSLACK, uintptr(slack))
		p, err = start()
	}
	<-done
	return p, err
}

func spawn(jobs chan func()) {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() { // the main thread is never replaced
		var elsewhere sync.WaitGroup
		elsewhere.Go(func() { spawn(jobs) })
		elsewhere.Wait()
		runtime.UnlockOSThread()
		return
	}
	const noNewPrivs = 38
	prctl(noNewPrivs, 1)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil) // whatever this process was started with
	if syscall.Unshare(syscall.CLONE_FS) == nil {                    // else the umask is that of all threads
		syscall.Umask(0o077)
	}
	for job := range jobs {
		job()
	}
}

func prctl(option int, value uintptr) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, uintptr(option), value, 0, 0, 0, 0)
}

// childScore is the oom_score_adj of children: the system ends them before this process when it
// is out of memory.
var childScore = sync.OnceValue(func() []byte {
	text, _ := os.ReadFile("/proc/self/oom_score_adj")
	own, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return strconv.AppendInt(nil, int64(min(own+500, 1000)), 10)
})

// raiseScore sets the score of a child. It may not be allowed to for a program with capabilities.
func raiseScore(pid int) {
	fd, err := syscall.Open(fmt.Sprintf("/proc/%d/oom_score_adj", pid), syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = syscall.Write(fd, childScore())
	_ = syscall.Close(fd)
}
