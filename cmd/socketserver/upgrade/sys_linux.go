package upgrade

import (
	"os"
	"syscall"
)

// Signal asks for an upgrade.
const Signal = syscall.SIGUSR2

// pair returns the ends of a stream, which the caller closes.
func pair() (ours, theirs *os.File, err error) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(ends[0]), "channel"), os.NewFile(uintptr(ends[1]), "channel"), nil
}

// ownGroup makes a process the leader of a group, so that kill ends what it has started, too.
var ownGroup = &syscall.SysProcAttr{Setpgid: true}

// kill kills a process, which has not been waited for, and its group.
func kill(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// open returns the file of a descriptor that was inherited. Processes that this one starts do not
// inherit it.
func open(fd int, name string) *os.File {
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// redirect makes a file standard error, and closes it. Where that fails the process before this
// one goes on to copy what is printed.
func redirect(f *os.File) {
	_ = syscall.Dup3(int(f.Fd()), syscall.Stderr, 0)
	_ = f.Close()
}
