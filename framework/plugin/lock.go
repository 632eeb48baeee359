package plugin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/internal/regular"
)

// LockFile is the name of the file of a [Lock], which lies beside the configuration.
const LockFile = "plugins.lock"

const maxLock = 1 << 20 // bytes

// A Lock is what plugins.lock contains: what the plugins must be. Its lines have a sum, a kind and a
// name, in the order of the names; those that begin with # are comments, which stay with the line
// that follows.
type Lock struct {
	head  []string // comments and empty lines, up to an empty one
	lines []commented
	tail  []string
}

// A Locked is a line of a Lock.
type Locked struct {
	Sum  string // SHA-256 in hex: of a file, or see Identify of source
	Kind Kind   // for people
	Name string // of the entry in the directory of plugins, or of the plugin if that lies elsewhere
}

type commented struct {
	Locked
	comments []string
}

func (l Locked) String() string { return fmt.Sprintf("%s  %-6s  %s", l.Sum, l.Kind, l.Name) }

// ReadLock reads the file at path. One that is not there is empty.
func ReadLock(path string) (*Lock, error) {
	text, err := regular.Read(path, maxLock+1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(text) > maxLock {
		return nil, fmt.Errorf("%s: it is larger than 1 MiB", path)
	}
	l := &Lock{}
	var comments []string
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), " \t\r")
		if line == "" || line[0] == '#' {
			if comments = append(comments, line); line == "" && l.lines == nil {
				l.head, comments = append(l.head, comments...), nil
			}
			continue
		}
		sum, rest, _ := strings.Cut(line, " ")
		kind, name, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		name = strings.TrimLeft(name, " ")
		if !IsSum(sum) || name == "" {
			return nil, fmt.Errorf("%s:%d: a line is a SHA-256 in hex, a kind and a name; correct it, or remove it and run: socketserver plugin lock", path, n)
		}
		l.lines = append(l.lines, commented{Locked{sum, Kind(kind), name}, comments})
		comments = nil
	}
	l.tail = comments
	return l, lines.Err()
}

// IsSum reports whether text is what sha256sum prints.
func IsSum(text string) bool { return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == "" }

// Sum returns that of the line with the name; empty: there is none.
func (l *Lock) Sum(name string) string {
	if i := l.index(name); i >= 0 {
		return l.lines[i].Sum
	}
	return ""
}

func (l *Lock) index(name string) int {
	return slices.IndexFunc(l.lines, func(c commented) bool { return c.Name == name })
}

// Set adds a line, or replaces that of its name.
func (l *Lock) Set(line Locked) {
	if i := l.index(line.Name); i >= 0 {
		l.lines[i].Locked = line
		return
	}
	l.lines = append(l.lines, commented{Locked: line})
}

// Keep removes the lines whose names are not among those.
func (l *Lock) Keep(names []string) {
	l.lines = slices.DeleteFunc(l.lines, func(c commented) bool { return !slices.Contains(names, c.Name) })
}

// Write replaces the file at path.
func (l *Lock) Write(path string) error {
	slices.SortStableFunc(l.lines, func(a, b commented) int { return strings.Compare(a.Name, b.Name) })
	all := slices.Clone(l.head)
	for _, c := range l.lines {
		if strings.ContainsAny(c.Name, "\r\n") {
			return fmt.Errorf("%q has a line break in its name; give it another name", c.Name)
		}
		all = append(append(all, c.comments...), c.String())
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "."+LockFile+"-")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // fails once it has its name
	_, err = fresh.WriteString(strings.Join(append(all, l.tail...), "\n") + "\n")
	if err = errors.Join(err, fresh.Chmod(0o644), fresh.Sync(), fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}
