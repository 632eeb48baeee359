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
	// maxScan bounds how many names of a directory are read for one answer.
	maxScan = 100_000
	// maxDatagram is how long an answer by datagram may be, in bytes.
	maxDatagram = 8192
)

// list answers ls.
func (h *handler) list(path string) string {
	names, err := scan(h.Context(), string(h.options.Root), path, h.options.MaxEntries)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case err != nil: // also a file, and all that lies outside the root
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
	// The dots make path a step on the way, and those are opened only if they are
	// directories: to open a pipe would be to wait for its writer.
	dir, err := within.Open("./" + path + "/.")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return readNames(ctx, dir, most, maxScan)
}

// readNames keeps the first names in order, at most so many, and counts the others, so
// that a directory of any size costs little memory. It gives up after limit names.
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

// A listing is what ls answers.
type listing struct {
	names  []string
	more   int  // how many names are left out
	unread bool // and there may be others that were not even read
}

// cut sorts the names and keeps the first ones.
func (l *listing) cut(most int) {
	slices.Sort(l.names)
	if len(l.names) > most {
		l.more += len(l.names) - most
		l.names = slices.Delete(l.names, most, len(l.names))
	}
}

// fit leaves names out until the answer is not longer than size bytes.
func (l *listing) fit(size int) {
	for len(l.String()) > size {
		l.cut(len(l.names) * 3 / 4)
	}
}

// String has one name a line. An empty directory is told as (empty): with no answer the
// client would wait for ever.
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
