package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxScan is the maximum number of names that are read for one answer.
	maxScan = 100_000
	// maxDatagram is the maximum size of an answer by datagram in bytes.
	maxDatagram = 8192
)

// list answers ls.
func (h *handler) list(path string) string {
	names, err := scan(h.Context(), string(h.options.Root), path, h.options.MaxEntries)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case err != nil: // also for a file, and outside the root
		return "not exist path"
	}
	if h.IsDatagram() {
		names.fit(maxDatagram)
	}
	return names.String()
}

// scan reads the directory path within root. An absolute path begins at root, as after
// chroot.
func scan(ctx context.Context, root, path string, most int) (*listing, error) {
	within, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer within.Close()
	// The trailing dot makes path a step on the way, which is opened only if it is a
	// directory: opening a pipe would wait for its writer.
	dir, err := within.Open("./" + path + "/.")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return readNames(ctx, dir, most, maxScan)
}

// readNames keeps the first names in order, at most that many, and counts the others, so that a
// directory of any size costs little memory. It stops after limit names.
func readNames(ctx context.Context, dir *os.File, most, limit int) (*listing, error) {
	const batch = 512
	l := &listing{}
	for !l.unread {
		names, err := dir.Readdirnames(batch)
		l.names = append(l.names, names...)
		if len(l.names) > 2*most {
			l.cut(most)
		}
		if err == io.EOF {
			break
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		l.unread = len(l.names)+l.more >= limit
	}
	l.cut(most)
	return l, nil
}

// A listing is the answer to ls.
type listing struct {
	names  []string
	more   int  // number of names left out
	unread bool // there may be others, which were not read
}

// cut sorts the names and keeps the first.
func (l *listing) cut(most int) {
	slices.Sort(l.names)
	if len(l.names) > most {
		l.more += len(l.names) - most
		l.names = slices.Delete(l.names, most, len(l.names))
	}
}

// fit leaves names out until the answer has at most size bytes.
func (l *listing) fit(size int) {
	for len(l.String()) > size {
		l.cut(len(l.names) * 3 / 4)
	}
}

// String returns one name a line. An empty directory is (empty), as a client waits for an answer.
func (l *listing) String() string {
	var lines []string
	for _, name := range l.names {
		lines = append(lines, quote(name))
	}
	switch {
	case l.unread:
		lines = append(lines, fmt.Sprintf("(more than %d more)", l.more))
	case l.more > 0:
		lines = append(lines, fmt.Sprintf("(%d more)", l.more))
	case len(lines) == 0:
		return "(empty)"
	}
	return strings.Join(lines, "\n")
}

// quote keeps a name on its line and a terminal safe from it.
func quote(name string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.HasPrefix(name, `"`) || strings.ContainsFunc(name, hidden) || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}
