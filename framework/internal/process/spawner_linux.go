package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A spawner is a thread that starts processes. It lives as long as its users: the system sends a
// death signal when the thread that started the child dies. What a child is to inherit is set on this
// thread alone, and costs its start nothing: no program gives it privileges (no_new_privs), and no
// signal is blocked. Processes that inherit the same have one spawner.
type spawner struct {
	of     inherited
	users  int
	jobs   chan func()
	rules  *os.File // of a sandbox that processes enter themselves; nil: there is none
	masked bool     // it has a umask of its own
}

// inherited is what a process has of the thread that starts it.
type inherited struct {
	nice, umask int      // as in Restrictions
	sandbox     *Sandbox // nil: there is none, and no image
	image       *Image   // that the sandbox lets it run
	jumps       bool     // it enters the sandbox by itself
}

// spawners are those that have users.
var spawners = struct {
	sync.Mutex
	all map[inherited]*spawner
}{all: map[inherited]*spawner{}}

func (c *Command) inherited() inherited {
	i := inherited{nice: c.Restrictions.Nice, umask: c.Restrictions.Umask, sandbox: c.Sandbox}
	if i.sandbox != nil {
		i.image, i.jumps = c.Image, c.Restrictions.jumps()
	}
	return i
}

// KeepSpawner keeps the thread that starts processes such as c until release is called, so that a
// start does not wait for it. A process keeps it from Start to Wait.
func KeepSpawner(c Command) (release func(), err error) {
	s, err := acquireSpawner(c.inherited())
	if err != nil {
		return nil, err
	}
	return s.release, nil
}

func acquireSpawner(i inherited) (*spawner, error) {
	spawners.Lock()
	defer spawners.Unlock()
	s := spawners.all[i]
	if s == nil {
		s = &spawner{of: i, jobs: make(chan func())}
		ready := make(chan error)
		go s.run(ready)
		if err := <-ready; err != nil {
			return nil, err
		}
		spawners.all[i] = s
	}
	s.users++
	return s, nil
}

// release is called by each user once. The last one ends the thread.
func (s *spawner) release() {
	spawners.Lock()
	defer spawners.Unlock()
	if s.users--; s.users == 0 {
		delete(spawners.all, s.of)
		close(s.jobs)
	}
}

// do has job run on the thread, and waits for it.
func (s *spawner) do(job func()) {
	done := make(chan struct{})
	s.jobs <- func() {
		defer close(done)
		job()
	}
	<-done
}

// run is the thread, which ends with this goroutine.
func (s *spawner) run(ready chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() { // the main thread is never replaced
		var elsewhere sync.WaitGroup
		elsewhere.Go(func() { s.run(ready) })
		elsewhere.Wait()
		runtime.UnlockOSThread()
		return
	}
	err := s.set()
	if ready <- err; err != nil {
		return
	}
	defer s.rules.Close()
	for job := range s.jobs {
		job()
	}
}

// set makes the calling thread have what its children inherit, for good.
func (s *spawner) set() (err error) {
	const noNewPrivs = 38
	prctl(noNewPrivs, 1)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)   // whatever this process was started with
	if s.masked = syscall.Unshare(syscall.CLONE_FS) == nil; s.masked { // else the umask is that of all threads
		syscall.Umask(mask(s.of.umask))
	}
	if s.of.nice != 0 {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, s.of.nice); err != nil { // of this thread
			return fmt.Errorf("set nice to %d: %w", s.of.nice, err)
		}
	}
	if s.of.sandbox == nil {
		return nil
	}
	rules, err := s.of.sandbox.rules(s.of.image)
	if err != nil || rules == nil {
		return err
	}
	if s.of.jumps {
		s.rules = rules
		return nil
	}
	return errors.Join(enterSandbox(rules), rules.Close())
}

// mask returns the umask of a restriction.
func mask(umask int) int { return max(cmp.Or(umask, 0o077), 0) }

// threadsMask reports whether threads may have a umask of their own, which Docker does not let those have that may not
// make namespaces. Then a process sets one that is asked for by itself; what nobody has asked for is not worth a later start.
var threadsMask = sync.OnceValue(func() bool {
	s, err := acquireSpawner(inherited{})
	if err != nil {
		return false
	}
	defer s.release()
	return s.masked
})

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
