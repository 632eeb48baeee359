// Package trampoline is what a process of another user, or with limits, runs between its start and its program. It
// is this program under another name: the process starts with the rights of the one that starts it, becomes that
// user and limits itself here, and then runs the program, which has never been without.
//
// The thread that starts a process waits in the kernel until that runs something, and Go's scheduler waits for
// the thread. Had the process another user by then, any process of that user could stop it, and with it all of
// its parent, whose memory it shares until then.
//
// This package imports next to nothing, so that it is initialized, and gone, before packages that need more and those
// whose import paths come later. What others do as they are initialized they do here, too: without the program's
// variables, and with nothing as standard input and output.
package trampoline

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// name is the name by which a program is a trampoline.
const name = "socketserver-trampoline"

// A Jump is what a process becomes. Numbers of descriptors are 0 where there is none.
type Jump struct {
	AsUser    bool // it becomes UID and GID, without other groups
	UID, GID  uint32
	Parent    int // the process that it dies with; 0: it does not
	Status    int // descriptor that is written to before the program runs, and for an error; closed when it runs
	Image     int // descriptor of the program, which is closed then
	Stdin     int // descriptor that becomes 0, which has nothing until then: other packages may read it as they are initialized
	Stdout    int // likewise 1
	Rules     int // descriptor of a Landlock ruleset
	Restrict  int // the system call that enters it, which package syscall does not have
	Umask     int
	Limits    []Limit
	Directory string
	Paths     []string // of the program: the next one is tried where one may not be run
}

// A Limit is one of setrlimit(2).
type Limit struct {
	Which int
	Value uint64
}

// Args returns the arguments of the trampoline for a program with args.
func (j *Jump) Args(args []string) []string {
	var asUser uint64
	if j.AsUser {
		asUser = 1
	}
	text := fields(asUser, uint64(j.UID), uint64(j.GID), uint64(j.Parent), uint64(j.Status), uint64(j.Image), uint64(j.Stdin), uint64(j.Stdout), uint64(j.Rules), uint64(j.Restrict), uint64(j.Umask), uint64(len(j.Paths)))
	for _, l := range j.Limits {
		text = append(text, fields(uint64(l.Which), l.Value)...)
	}
	return slices.Concat([]string{name, strings.Join(text, " "), j.Directory}, j.Paths, args)
}

func fields(numbers ...uint64) (text []string) {
	for _, n := range numbers {
		text = append(text, strconv.FormatUint(n, 10))
	}
	return text
}

// parse is the reverse of Args. What is not from there is a panic.
func parse(all []string) (j Jump, args []string) {
	var numbers []uint64
	for text := range strings.FieldsSeq(all[1]) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			panic(err)
		}
		numbers = append(numbers, n)
	}
	j = Jump{
		AsUser: numbers[0] == 1, UID: uint32(numbers[1]), GID: uint32(numbers[2]), Parent: int(numbers[3]), Status: int(numbers[4]),
		Image: int(numbers[5]), Stdin: int(numbers[6]), Stdout: int(numbers[7]), Rules: int(numbers[8]), Restrict: int(numbers[9]), Umask: int(numbers[10]), Directory: all[2],
	}
	for l := range slices.Chunk(numbers[12:], 2) {
		j.Limits = append(j.Limits, Limit{int(l[0]), l[1]})
	}
	paths := 3 + int(numbers[11])
	j.Paths = all[3:paths]
	return j, all[paths:]
}

// mark precedes each variable of the program. So they are nothing to the trampoline, and to the system that loads
// it: what may load a library into a process of the user may not do so into one of root.
const mark = "+"

// Env returns the environment of the trampoline for a program with env. own is the trampoline's.
func Env(own, env []string) []string {
	for _, variable := range env {
		own = append(own, mark+variable)
	}
	return own
}

func init() { // no main of a program that starts others knows of it
	if len(os.Args) > 3 && os.Args[0] == name {
		serve()
	}
}

// serve does not return.
func serve() {
	j, args := parse(os.Args)
	var env []string
	for _, variable := range syscall.Environ() {
		if variable, ok := strings.CutPrefix(variable, mark); ok {
			env = append(env, variable)
		}
	}
	step, err := j.start(args, env)
	said := [...]byte{step, byte(err), byte(err >> 8)}
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(j.Status), uintptr(unsafe.Pointer(&said)), uintptr(len(said)))
	syscall.Exit(1)
}

// began is written to the status before the program runs, and now is a limit; they are not allocated.
var (
	began [1]byte
	now   syscall.Rlimit
)

// start runs the program, or returns why not. What the system is told of it is made before anything has a limit, with
// which Go may get no more memory and no more threads: from then on nothing is allocated, and the scheduler not entered.
func (j *Jump) start(args, env []string) (step byte, err syscall.Errno) {
	var paths []*byte
	for _, path := range j.Paths {
		text, err := syscall.BytePtrFromString(path)
		if err != nil {
			return run, syscall.EINVAL
		}
		paths = append(paths, text)
	}
	argv, failed := syscall.SlicePtrFromStrings(args)
	envp, failedToo := syscall.SlicePtrFromStrings(env)
	if failed != nil || failedToo != nil {
		return run, syscall.EINVAL
	}
	_ = syscall.Exec("", args, env) // runs nothing, and gives back the limit of files that package os has raised
	if step, err = j.become(); err != 0 {
		return step, err
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(j.Status), uintptr(unsafe.Pointer(&began)), 1)
	for _, path := range paths {
		_, _, err = syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
		if err != syscall.EACCES {
			break
		}
	}
	return run, err
}

// The steps of a jump, the first one last.
const (
	run = iota
	limit
	directory
	user
	group
	sandbox
	descriptors
)

var steps = [...]string{"run it", "limit it", "enter its directory", "become its user", "take its group", "enter its sandbox", "take its descriptors"}

// become does all but to run the program. From the moment that it has another user, processes of that may end or
// stop it, and look into nothing: the system makes it not dumpable. The limits are last, as they are for the
// program. All of it is for the thread that runs the program: the others, which Go has made, end then, and would be
// counted as processes of the user.
func (j *Jump) become() (step byte, err syscall.Errno) {
	for to, fd := range []int{j.Stdin, j.Stdout} {
		if _, _, err := syscall.RawSyscall(syscall.SYS_DUP3, uintptr(fd), uintptr(to), 0); err != 0 {
			return descriptors, err
		}
	}
	for _, fd := range []int{j.Status, j.Image, j.Rules, j.Stdin, j.Stdout} {
		if fd != 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, syscall.FD_CLOEXEC)
		}
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_UMASK, uintptr(j.Umask), 0, 0)
	if j.AsUser {
		leaveTerminal()
		if err := leaveKeys(); err != 0 {
			return user, err
		}
	}
	if j.Rules != 0 {
		if _, _, err := syscall.RawSyscall(uintptr(j.Restrict), uintptr(j.Rules), 0, 0); err != 0 {
			return sandbox, err
		}
	}
	if j.AsUser {
		if _, _, err := syscall.RawSyscall(setgroups, 0, 0, 0); err != 0 {
			return group, err
		}
		if _, _, err := syscall.RawSyscall(setgid, uintptr(j.GID), 0, 0); err != 0 {
			return group, err
		}
		if _, _, err := syscall.RawSyscall(setuid, uintptr(j.UID), 0, 0); err != 0 {
			return user, err
		}
	}
	if j.Parent != 0 { // the signal is not kept for another user
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
		if parent, _, _ := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0); int(parent) != j.Parent {
			syscall.Exit(1) // it died before
		}
	}
	if j.Directory != "" {
		if err := syscall.Chdir(j.Directory); err != nil {
			return directory, errno(err)
		}
	}
	for _, l := range j.Limits {
		err := syscall.Getrlimit(l.Which, &now)
		if err == nil {
			now.Cur = min(l.Value, now.Max) // only a privileged process may raise it
			now.Max = now.Cur
			err = syscall.Setrlimit(l.Which, &now)
		}
		if err != nil {
			return limit, errno(err)
		}
	}
	return run, 0
}

// leaveTerminal keeps a process of another user from the terminal that the server was started at, where it could read
// what is typed, or type itself: what the system asks for it is that the process has the terminal, and not whose it is.
// A session of its own would do, too, and make its nice value one among its own processes alone, see sched(7).
func leaveTerminal() {
	tty, err := syscall.Open("/dev/tty", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return // there is none
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(tty), syscall.TIOCNOTTY, 0)
	_ = syscall.Close(tty)
}

// leaveKeys keeps a process of another user from the keys of the session that the server was started in: who has a
// keyring may read in it, whoever that is. Where the system has no keys, or keeps them from this process, it
// keeps them from the program, too.
func leaveKeys() syscall.Errno {
	const join = 1 // of no name: a new one
	_, _, err := syscall.RawSyscall(syscall.SYS_KEYCTL, join, 0, 0)
	switch err {
	case syscall.ENOSYS, syscall.EPERM, syscall.EACCES:
		return 0
	}
	return err
}

// errno is that of a system call.
func errno(err error) (number syscall.Errno) {
	_ = errors.As(err, &number)
	return number
}

var errGone = errors.New("it ended before it ran its program")

// Parse returns the error that a trampoline has written to its status, or nil: the program runs. All that was written
// until the end of the status is its text.
func Parse(status []byte) error {
	if len(status) == 0 {
		return errGone
	}
	if len(status) < 3 { // it began, and there is nothing else
		return nil
	}
	status = status[len(status)-3:]
	err := syscall.Errno(status[1]) | syscall.Errno(status[2])<<8
	if status[0] == run || int(status[0]) >= len(steps) {
		return err
	}
	return errors.New(steps[status[0]] + ": " + err.Error())
}
