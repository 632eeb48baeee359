// Package trampoline is what a process of another user, or with limits, runs between its start and its program. It
// is this program under another name: the process starts with the rights of the one that starts it, becomes that
// user and limits itself here, and then runs the program, which has never been without.
//
// The thread that starts a process waits in the kernel until that runs something, and Go's scheduler waits for
// the thread. Had the process another user by then, any process of that user could stop it, and with it all of
// its parent, whose memory it shares until then.
//
// This package imports next to nothing, so that it is initialized, and gone, before most others are.
package trampoline

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// name is the name by which a program is a trampoline.
const name = "socketserver-trampoline"

// A Jump is what a process becomes. Numbers of descriptors are 0 where there is none.
type Jump struct {
	AsUser    bool // it becomes UID and GID, without other groups
	UID, GID  uint32
	Parent    int // the process that it dies with; 0: it does not
	Status    int // descriptor that an error is written to, and that is closed when the program runs
	Image     int // descriptor of the program, which is closed then
	Rules     int // descriptor of a Landlock ruleset
	Restrict  int // the system call that enters it, which package syscall does not have
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
	text := fields(asUser, uint64(j.UID), uint64(j.GID), uint64(j.Parent), uint64(j.Status), uint64(j.Image), uint64(j.Rules), uint64(j.Restrict), uint64(len(j.Paths)))
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
		Image: int(numbers[5]), Rules: int(numbers[6]), Restrict: int(numbers[7]), Directory: all[2],
	}
	for l := range slices.Chunk(numbers[9:], 2) {
		j.Limits = append(j.Limits, Limit{int(l[0]), l[1]})
	}
	paths := 3 + int(numbers[8])
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
	for _, fd := range []int{j.Status, j.Image, j.Rules} {
		if fd != 0 {
			syscall.CloseOnExec(fd)
		}
	}
	step, err := j.become()
	for i := 0; err == nil || step == run && err == syscall.EACCES && i < len(j.Paths); i++ { //nolint:errorlint // a system call's
		step, err = run, syscall.Exec(j.Paths[i], args, env)
	}
	var errno syscall.Errno
	_ = errors.As(err, &errno)
	_, _ = syscall.Write(j.Status, []byte{step, byte(errno), byte(errno >> 8)})
	syscall.Exit(1)
}

// The steps of a jump, the first one last.
const (
	run = iota
	limit
	directory
	user
	group
	sandbox
)

var steps = [...]string{"run it", "limit it", "enter its directory", "become its user", "take its group", "enter its sandbox"}

// become does all but to run the program. From the moment that it has another user, processes of that may end or
// stop it, and look into nothing: the system makes it not dumpable. The limits are last, as they are for the
// program.
func (j *Jump) become() (step byte, err error) {
	if j.Rules != 0 {
		if _, _, errno := syscall.RawSyscall(uintptr(j.Restrict), uintptr(j.Rules), 0, 0); errno != 0 { // of this thread
			return sandbox, errno
		}
	}
	if j.AsUser {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(int(j.GID))); err != nil { // of all threads
			return group, err
		}
		if err := syscall.Setuid(int(j.UID)); err != nil {
			return user, err
		}
	}
	if j.Parent != 0 { // the signal is not kept for another user
		_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
		if syscall.Getppid() != j.Parent {
			syscall.Exit(1) // it died before
		}
	}
	if j.Directory != "" {
		if err := syscall.Chdir(j.Directory); err != nil {
			return directory, err
		}
	}
	for _, l := range j.Limits {
		var now syscall.Rlimit
		err := syscall.Getrlimit(l.Which, &now)
		if err == nil {
			most := min(l.Value, now.Max) // only a privileged process may raise it
			err = syscall.Setrlimit(l.Which, &syscall.Rlimit{Cur: most, Max: most})
		}
		if err != nil {
			return limit, err
		}
	}
	return run, nil
}

// Parse returns the error that a trampoline has written to its status, if any.
func Parse(status []byte) error {
	if len(status) < 3 || int(status[0]) >= len(steps) {
		return nil
	}
	errno := syscall.Errno(status[1]) | syscall.Errno(status[2])<<8
	if status[0] == run {
		return errno
	}
	return errors.New(steps[status[0]] + ": " + errno.Error())
}
