package subject

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-socketserver/socketserver/cmd/socketserver/compare/usage"
)

// A tree is all processes of a subject, orphans included: they are in the session of its first
// process, or have its directory in their environment.
type tree struct {
	session     int
	directories []string // of one subject, or of several

	mu    sync.Mutex
	known map[string]bool // those outside the session, by process id and start time: a zombie has no environment
}

// A member is one process of a tree.
type member struct {
	usage.Stat
	pid int
}

// members returns the processes that exist now, zombies included.
func (t *tree) members() []member {
	return slices.DeleteFunc(processes(), func(m member) bool { return !t.has(m) })
}

// processes returns all processes of the machine.
func processes() []member {
	entries, _ := os.ReadDir("/proc")
	var all []member
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := usage.ReadStat(pid); err == nil {
			all = append(all, member{stat, pid})
		}
	}
	return all
}

// has reports whether a process belongs to the tree: it has, or had, its session or its directory.
// An orphan that ended before anybody looked at it is of no known subject, so it is of any.
func (t *tree) has(m member) bool {
	if m.Session == t.session {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := fmt.Sprint(m.pid, " ", m.Start)
	if t.known[id] {
		return true
	}
	if m.Dead && m.Parent == os.Getpid() && !firsts.has(m) {
		return true
	}
	environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", m.pid))
	for variable := range strings.SplitSeq(string(environment), "\x00") {
		if directory, ok := strings.CutPrefix(variable, "TMPDIR="); !ok || !slices.Contains(t.directories, directory) {
			continue
		}
		if t.known == nil {
			t.known = map[string]bool{}
		}
		t.known[id] = true
		return true
	}
	return false
}

// firsts are the first processes of all subjects, which are children of this process and reaped by
// those that started them. Other children in sessions of their own are orphans.
var firsts = firstProcesses{pids: map[int]bool{}}

type firstProcesses struct {
	mu   sync.Mutex
	pids map[int]bool
}

// start starts the first process of a subject.
func (f *firstProcesses) start(command *exec.Cmd) error {
	f.mu.Lock() // nobody may see it before it is among them
	defer f.mu.Unlock()
	if err := command.Start(); err != nil {
		return err
	}
	f.pids[command.Process.Pid] = true
	return nil
}

// wait reaps it.
func (f *firstProcesses) wait(command *exec.Cmd) {
	_ = command.Wait() // ProcessState has more
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pids, command.Process.Pid)
}

// has reports whether a child of this process is a first one, or in this process's own session.
func (f *firstProcesses) has(m member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	own, _ := unix.Getsid(0)
	return m.Session == own || f.pids[m.pid]
}

// end kills the process, unless its id belongs to another one by now.
func (t *tree) end(pid int) {
	p, err := os.FindProcess(pid) // a pidfd, which stays with the process
	if err != nil {
		return
	}
	defer func() { _ = p.Release() }()
	if stat, err := usage.ReadStat(pid); err == nil && t.has(member{stat, pid}) {
		_ = p.Kill()
	}
}

// await waits for at most grace until no process is left, and returns those that are. It reaps
// orphans, which are children of this process.
func (t *tree) await(grace time.Duration) []member {
	late := time.After(grace)
	ended := make(chan struct{}, 1)
	waiting := map[int]bool{}
	for {
		alive := t.members()
		if len(alive) == 0 {
			return nil
		}
		for _, m := range alive {
			if m.Parent != os.Getpid() || waiting[m.pid] {
				continue
			}
			waiting[m.pid] = true
			go func() {
				if p, err := os.FindProcess(m.pid); err == nil {
					_, _ = p.Wait()
				}
				select {
				case ended <- struct{}{}:
				default:
				}
			}()
		}
		select {
		case <-ended: // its children, if any, are ours now
		case <-late:
			return slices.DeleteFunc(alive, func(m member) bool { return m.Dead })
		}
	}
}

// kill ends every process and waits until they are reaped.
func (t *tree) kill() {
	for range 50 { // a process may start another one just before it is killed
		all := t.members()
		if len(all) == 0 {
			return
		}
		for _, m := range all {
			t.end(m.pid)
		}
		t.await(100 * time.Millisecond)
	}
}

// adopt makes this process a child subreaper: orphans below it become its children.
var adopt = sync.OnceFunc(func() {
	const prSetChildSubreaper = 36
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
})
