package subject

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A tree is all processes of a subject, orphans included: they are in the session of its first
// process, or have its directory in their environment.
type tree struct {
	session   int
	directory string // empty: none

	mu    sync.Mutex
	known map[string]bool // those outside the session, by process id and start time: a zombie has no environment
}

// A member is one process of a tree.
type member struct {
	tree   *tree
	pid    int
	parent int
	dead   bool // a zombie
}

// members returns the processes that exist now, zombies included.
func (t *tree) members() []member {
	var all []member
	for _, pid := range processes() {
		if m, ok := t.member(pid); ok {
			all = append(all, m)
		}
	}
	return all
}

func processes() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// member returns the process with that id, and reports whether it belongs to the tree.
func (t *tree) member(pid int) (member, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return member{}, false
	}
	// pid (name) state ppid pgrp session ...; the name may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const state, parent, session, start = 0, 1, 3, 19
	if len(fields) <= start {
		return member{}, false
	}
	m := member{tree: t, pid: pid, dead: fields[state] == "Z"}
	m.parent, _ = strconv.Atoi(fields[parent])
	return m, fields[session] == strconv.Itoa(t.session) || t.marked(pid, fields[start])
}

// marked reports whether a process has, or had, the tree's directory in its environment.
func (t *tree) marked(pid int, start string) bool {
	if t.directory == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := strconv.Itoa(pid) + " " + start
	if t.known[id] {
		return true
	}
	environment, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if !slices.Contains(strings.Split(string(environment), "\x00"), "TMPDIR="+t.directory) {
		return false
	}
	if t.known == nil {
		t.known = map[string]bool{}
	}
	t.known[id] = true
	return true
}

// kill ends the process, unless its id belongs to another one by now.
func (m member) kill() {
	p, err := os.FindProcess(m.pid) // a pidfd, which stays with the process
	if err != nil {
		return
	}
	defer func() { _ = p.Release() }()
	if _, still := m.tree.member(m.pid); still {
		_ = p.Kill()
	}
}

// reap waits for an orphan that became a child of this process.
func (m member) reap() {
	if p, err := os.FindProcess(m.pid); err == nil {
		_, _ = p.Wait()
	}
}

// await waits for at most grace until no process is left, and returns those that are.
func (t *tree) await(grace time.Duration) []member {
	late := time.After(grace)
	ended := make(chan int)
	done := make(chan struct{})
	defer close(done)
	waiting := map[int]bool{}
	for {
		alive := t.members()
		for _, m := range alive {
			if m.parent == os.Getpid() && !waiting[m.pid] {
				waiting[m.pid] = true
				go func() {
					m.reap()
					select {
					case ended <- m.pid:
					case <-done:
					}
				}()
			}
		}
		if len(alive) == 0 {
			return nil
		}
		select {
		case pid := <-ended: // its children, if any, are ours now
			delete(waiting, pid)
		case <-late:
			return slices.DeleteFunc(alive, func(m member) bool { return m.dead })
		}
	}
}

// kill ends every process and waits until they are reaped.
func (t *tree) kill() {
	for range 50 { // a process may start another one just before it is killed
		for _, m := range t.members() {
			m.kill()
		}
		if len(t.await(100*time.Millisecond)) == 0 {
			return
		}
	}
}

// adopt makes this process a child subreaper: orphans below it become its children.
var adopt = sync.OnceFunc(func() {
	const prSetChildSubreaper = 36
	_, _, _ = syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
})
