package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A limiter limits one process right after its start. Without a capability that root does not have in every
// container, only a process of the same user may: then another process does, which is ready before the start. A
// thread of this one must not, as each process of that user may send it a signal, and SIGKILL ends all threads.
type limiter struct {
	r      *Restrictions
	helper *Process // nil: this process does it
	pid    *os.File // to the helper
}

// limiterName is the name by which this program is a limiter.
const limiterName = "socketserver-limiter"

func init() { // here, as no main of a program that starts others knows of it
	if len(os.Args) == 2 && os.Args[0] == limiterName {
		os.Exit(serveLimiter())
	}
}

// limiterPatience is how long a limiter may take: one of the user's processes may have stopped it.
const limiterPatience = 10 * time.Second

// mayLimitOthers reports whether this process may limit those of other users.
var mayLimitOthers = sync.OnceValue(func() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	return unix.Capget(&header, &has[0]) == nil && has[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
})

// limiter returns what limits a process that is about to be started. The caller ends it.
func (r *Restrictions) limiter() (*limiter, error) {
	l := &limiter{r: r}
	if !r.isLimited() || !r.AsUser || int(r.UID) == os.Getuid() && int(r.GID) == os.Getgid() || mayLimitOthers() {
		return l, nil
	}
	image, err := Self()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	pid, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer pid.Close()
	l.pid = to
	l.helper, err = Start(Command{
		Image: image, Args: []string{limiterName, string(text)}, Env: Environment(), Stdin: pid, Stdout: os.Stderr, Stderr: os.Stderr, DieWithParent: true,
	})
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return l, nil
}

// limit applies the restrictions to a process.
func (l *limiter) limit(pid int) error {
	switch {
	case !l.r.isLimited():
		return nil
	case l.helper == nil:
		return l.r.apply(pid)
	}
	_, err := fmt.Fprintln(l.pid, pid)
	if err = errors.Join(err, l.end()); err != nil {
		return fmt.Errorf("limit it by a process of user %d, without CAP_SYS_RESOURCE: %w", l.r.UID, err)
	}
	return nil
}

// end may be called again.
func (l *limiter) end() error {
	if l.helper == nil {
		return nil
	}
	helper := l.helper
	l.helper = nil
	_ = l.pid.Close()
	late := time.AfterFunc(limiterPatience, helper.Kill)
	defer late.Stop()
	state, err := helper.Wait()
	if err == nil && state.ExitCode() > 0 {
		return syscall.Errno(state.ExitCode())
	}
	return Describe(state, err)
}

// serveLimiter is the limiter, which keeps the effective user, so that no process of the other one can look
// into it. Its status is an errno.
func serveLimiter() int {
	var r Restrictions
	err := json.Unmarshal([]byte(os.Args[1]), &r)
	if err == nil {
		err = errors.Join(syscall.Setresgid(int(r.GID), -1, -1), syscall.Setresuid(int(r.UID), -1, -1)) // of all threads
	}
	var pid int
	if err == nil {
		if _, none := fmt.Scanln(&pid); none != nil {
			return 0 // it was not started
		}
		err = r.apply(pid)
	}
	errno := syscall.EINVAL
	if err == nil {
		return 0
	}
	_ = errors.As(err, &errno)
	return int(errno)
}
