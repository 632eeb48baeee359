package subject

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
)

// maxBase keeps the paths of sockets short enough, those of plugins included.
const maxBase = 16

// live are the directories of this process's subjects.
var live = struct {
	mu          sync.Mutex
	directories map[string]bool
	over        bool // no more may be made
}{directories: map[string]bool{}}

// makeDirectory makes a directory that is private to a subject.
func makeDirectory() (string, error) {
	base := os.TempDir()
	if len(base) > maxBase {
		base = "/tmp"
	}
	live.mu.Lock()
	defer live.mu.Unlock()
	if live.over {
		return "", errors.New("this process is about to end")
	}
	path, err := os.MkdirTemp(base, "sockcmp-")
	if err != nil {
		return "", fmt.Errorf("make a directory: %w", err)
	}
	live.directories[path] = true
	return path, nil
}

// removeDirectory holds the lock until the directory is gone, as the process may end after Tidy.
func removeDirectory(path string) {
	live.mu.Lock()
	defer live.mu.Unlock()
	_ = os.RemoveAll(path)
	delete(live.directories, path)
}

// Tidy kills all subjects and removes their directories, for a process that cannot wait for
// Stop. Start fails after it.
func Tidy() {
	live.mu.Lock()
	defer live.mu.Unlock()
	live.over = true
	all := tree{session: -1, directories: slices.Collect(maps.Keys(live.directories))} // found by their environment
	for _, m := range all.members() {
		all.end(m.pid)
	}
	for _, path := range all.directories { // first, as the process may not have the time for the rest
		_ = os.RemoveAll(path)
	}
	all.kill()
	for _, path := range all.directories {
		_ = os.RemoveAll(path)
	}
}
