package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// A Process is a child and the group that it leads.
type Process struct {
	Pid   int
	os    *os.Process
	pidfd *os.File // readable when the process has ended; nil: Wait takes a thread

	mu      sync.Mutex
	reaped  bool
	killed  bool   // by Kill
	release func() // of the spawner
}

// Start starts c. The files stay the caller's to close.
func Start(c Command) (*Process, error) {
	seal.Do(sealDescriptors)
	stdin := c.Stdin
	if stdin == nil {
		null, err := openNull()
		if err != nil {
			return nil, err
		}
		defer null.Close()
		stdin = null
	}
	attr := &os.ProcAttr{
		Dir:   c.Directory,
		Env:   c.Env,
		Files: []*os.File{stdin, c.Stdout, c.Stderr},
		// A group of its own: what is typed at the terminal does not reach it, and what it
		// starts can be ended with it.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	}
	if c.Three != nil {
		attr.Files = append(attr.Files, c.Three)
	}
	if c.Four != nil {
		attr.Files = append(attr.Files, c.Four)
	}
	if c.DieWithParent {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	if c.Foreign {
		attr.Sys.PidFD = new(int)
	}
	p, err := c.start(attr)
	for delay := time.Millisecond; errors.Is(err, syscall.ETXTBSY) && delay < time.Second; delay *= 2 {
		time.Sleep(delay) // it is being written, or was by a process that is being forked
		p, err = c.start(attr)
	}
	if failed := (*os.PathError)(nil); errors.As(err, &failed) {
		err = failed.Err // its path is that of a descriptor
	}
	if errors.Is(err, syscall.EBADF) { // what the child gets is moved beyond the last of it, where no number is left
		err = syscall.EMFILE
	}
	if errors.Is(err, syscall.EAGAIN) {
		err = fmt.Errorf("%w: the limit of processes and threads is reached; raise it (TasksMax, docker --pids-limit, ulimit -u) or start fewer", err)
	}
	if errors.Is(err, syscall.EACCES) && c.Sandbox != nil {
		err = errors.New("permission denied: its mode, or the sandbox, which must let it read the interpreter or the loader that it names: add that to read, as in /lib and /lib64, or link it statically, as with CGO_ENABLED=0")
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Image.Name, err)
	}
	return p, nil
}

// start is one attempt.
func (c *Command) start(attr *os.ProcAttr) (*Process, error) {
	by, err := acquireSpawner(c.inherited())
	if err != nil {
		return nil, err
	}
	var j *jump
	if c.Restrictions.jumps() {
		if j, err = c.jump(attr, by.rules); err != nil {
			by.release()
			return nil, err
		}
	}
	var p *os.Process
	by.do(func() {
		// Timers of the child may be late by slack; 0: by what is usual. A millisecond is what those of Go
		// wait in anyhow: the monitor thread of its runtime else wakes thirty times in the life of a child
		// that serves one request.
		slack := time.Millisecond
		if c.DieWithParent {
			slack = 0
		}
		prctl(syscall.PR_SET_TIMERSLACK, uintptr(slack))
		if j != nil {
			p, err = j.begin()
		} else {
			p, err = c.Image.start(c.Args, attr, c.Foreign)
		}
	})
	if err != nil {
		by.release()
		return nil, err
	}
	started.Add(1)
	raiseScore(p.Pid)
	child := &Process{Pid: p.Pid, os: p, release: by.release}
	if pidfd := attr.Sys.PidFD; pidfd != nil && *pidfd >= 0 && syscall.SetNonblock(*pidfd, true) == nil {
		child.pidfd = os.NewFile(uintptr(*pidfd), "pidfd")
	}
	if c.Begun != nil {
		c.Begun(child)
	}
	if j != nil {
		if err = j.await(p.Pid, jumpPatience); err != nil {
			err = child.notRun(err)
			child.Kill()
			_, _ = child.Wait()
			return nil, err
		}
	}
	return child, nil
}

// notRun returns why its program does not run, where the process has said err.
func (p *Process) notRun(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return errors.New("it was killed before its program ran; a process of its user may have stopped it")
	}
	return err
}

// Supported reports whether this system has workers.
const Supported = true

var started atomic.Int64

// Started is how many processes this one has started.
func Started() int64 { return started.Load() }

// openNull is os.Open for what is not going to be polled.
func openNull() (*os.File, error) {
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	return os.NewFile(uintptr(fd), os.DevNull), nil
}

// Wait waits until the process has ended, ends what it left behind in its group, and
// reaps it.
func (p *Process) Wait() (*os.ProcessState, error) {
	err := p.await()
	if p.pidfd != nil {
		_ = p.pidfd.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.release()
	if err == nil { // before reaping, after which the number may be another's
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	}
	p.reaped = true
	defer reaped(p.Pid)
	return p.os.Wait()
}

// await waits without reaping. Where it fails somebody else has reaped the process.
func (p *Process) await() error {
	if p.pidfd != nil {
		return p.poll()
	}
	for {
		if _, err := p.peek(wExited); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// poll is await in the poller, without a thread.
func (p *Process) poll() error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var failed syscall.Errno
	err = raw.Read(func(fd uintptr) bool {
		const pPidfd = 3
		var pid int
		pid, failed = waitID(pPidfd, int(fd), wExited|wNoHang|wNoWait)
		return pid != 0 || failed != 0 && failed != syscall.EAGAIN && failed != syscall.EINTR
	})
	if err == nil && failed != 0 {
		err = failed
	}
	return err
}

// Stopped reports whether a signal has stopped the process.
func (p *Process) Stopped() bool {
	stopped, _ := p.peek(wStopped | wNoHang)
	return stopped
}

const wNoHang, wStopped, wExited, wNoWait = 1, 2, 4, 0x01000000

// peek reports whether the process has so changed, and leaves that to be seen again.
func (p *Process) peek(change uintptr) (bool, error) {
	const pPid = 1
	pid, errno := waitID(pPid, p.Pid, change|wNoWait)
	if errno != 0 {
		return false, errno
	}
	return pid != 0, nil
}

// waitID is waitid(2); 0: no such child has changed.
func waitID(kind uintptr, id int, options uintptr) (pid int, errno syscall.Errno) {
	const word = unsafe.Sizeof(uintptr(0))
	const pidAt = (12 + word - 1) &^ (word - 1) // after three numbers, in a union that is aligned
	var info [128]byte
	_, _, errno = syscall.Syscall6(syscall.SYS_WAITID, kind, uintptr(id), uintptr(unsafe.Pointer(&info)), options, 0, 0)
	return int(*(*int32)(unsafe.Pointer(&info[pidAt]))), errno
}

// Terminate asks the process and its group to end.
func (p *Process) Terminate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.Pid, syscall.SIGTERM)
	}
}

// Kill ends the process and its group at once. Wait still has to be called.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if !p.reaped {
		_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
		_ = p.os.Kill() // it may have left its group
	}
}

// SetName sets the name that ps and top show. What the system takes from an image that
// was started by descriptor is a number.
func SetName(name string) {
	if syscall.Gettid() == syscall.Getpid() { // the usual case, and cheap
		const prSetName = 15
		bytes := append([]byte(name), 0)
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetName, uintptr(unsafe.Pointer(&bytes[0])), 0)
		return
	}
	fd, err := syscall.Open("/proc/self/comm", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = syscall.Write(fd, []byte(name)) // 15 bytes are kept
	_ = syscall.Close(fd)
}

// OpenFilesLimit is how many descriptors this process may have open.
func OpenFilesLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

var seal sync.Once

// sealDescriptors keeps descriptors that this process inherited itself from its children.
func sealDescriptors() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// Describe says how a process ended, for a log.
func Describe(state *os.ProcessState, err error) error {
	switch {
	case err != nil:
		return err
	case state.Success():
		return nil
	}
	return errors.New(state.String())
}

// Crashed reports whether a process ended as the Go runtime ends one that crashes: with status 2,
// or by a signal that nobody sends.
func Crashed(state *os.ProcessState) bool {
	if state == nil {
		return false
	}
	status := state.Sys().(syscall.WaitStatus)
	return status.ExitStatus() == 2 || status.Signaled() && status.Signal() != syscall.SIGKILL && status.Signal() != syscall.SIGTERM
}
