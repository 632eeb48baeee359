package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/internal/text"
)

// Reach returns why a process of c could not run in its directory or execute its image, or execute and read those files,
// as interpreters and scripts are. It looks as the process would: with its user and in its sandbox. Nothing is started.
func (c *Command) Reach(execute, read []string) error {
	if !c.Restrictions.AsUser && c.Sandbox == nil {
		return nil
	}
	result := make(chan error)
	go c.look(execute, read, result)
	return <-result
}

// look is Reach in a thread of its own, which ends with this goroutine: what it gives up it does not get back.
func (c *Command) look(execute, read []string, result chan<- error) {
	runtime.LockOSThread()
	if syscall.Gettid() == syscall.Getpid() { // the main thread is never replaced
		done := make(chan error)
		go c.look(execute, read, done)
		result <- <-done
		runtime.UnlockOSThread()
		return
	}
	if c.Sandbox != nil {
		prctl(unix.PR_SET_NO_NEW_PRIVS, 1)
		rules, err := c.Sandbox.rules(c.Image)
		if rules != nil {
			err = errors.Join(enterSandbox(rules), rules.Close())
		}
		if err != nil {
			result <- err
			return
		}
	}
	if r := c.Restrictions; r.AsUser { // of this thread alone, for files alone: no other process may signal it
		_, _, _ = syscall.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _ = unix.SetfsgidRetGid(int(r.GID))
		_, _ = unix.SetfsuidRetUid(int(r.UID))
	}
	result <- c.reach(execute, read)
}

// reach is Reach in the thread that is like the process.
func (c *Command) reach(execute, read []string) error {
	if i := c.Image; i.fd != 0 && denies(unix.Faccessat(i.fd, "", unix.X_OK, unix.AT_EACCESS|unix.AT_EMPTY_PATH)) {
		return fmt.Errorf("%s may not execute %s; let it, as by chmod o+rx %[2]s", c.who(), i.Name)
	}
	if c.Directory != "" && !allowed(c.Directory, unix.X_OK) {
		return c.denied(c.Directory, "run in", "o+x")
	}
	for _, file := range execute {
		if !allowed(file, unix.X_OK) {
			return c.denied(file, "execute", "o+rx")
		}
		if c.Sandbox != nil && allowed(file, unix.R_OK) && !opens(file) {
			return fmt.Errorf("its sandbox does not let it read %s; add that to read, or its directory, with those of the libraries that it needs, such as /lib and /lib64", file)
		}
	}
	for _, file := range read {
		if !allowed(file, unix.R_OK) {
			return c.denied(file, "read", "o+r")
		}
		if !opens(file) {
			return fmt.Errorf("its sandbox does not let it read %s; add that to read", file)
		}
	}
	return nil
}

func denies(err error) bool { return errors.Is(err, syscall.EACCES) }

// allowed reports whether the modes of path and of what it lies in let the thread execute it, or enter it, or read it.
func allowed(path string, how uint32) bool {
	return !denies(unix.Faccessat(unix.AT_FDCWD, path, how, unix.AT_EACCESS))
}

// opens reports whether the thread is let open a file; not, if it is not there.
func opens(path string) bool {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close()
	}
	return !denies(err)
}

func (c *Command) who() string {
	if r := c.Restrictions; r.AsUser {
		return fmt.Sprintf("user %d, which it runs as,", r.UID)
	}
	return "it"
}

// denied returns an error for what the thread may not do with path: the first directory above it that it may not enter,
// or path itself, is what to change.
func (c *Command) denied(path, do, mode string) error {
	for at := 1; at < len(path); at++ {
		if dir := path[:at]; path[at] == filepath.Separator && !allowed(dir, unix.X_OK) {
			return fmt.Errorf("%s may not enter %s, and so not %s %s; let it in, as by chmod o+x %s, or put that elsewhere", c.who(), dir, do, path, text.ShellWord(dir))
		}
	}
	return fmt.Errorf("%s may not %s %s; let it, as by chmod %s %s", c.who(), do, path, mode, text.ShellWord(path))
}
