package client

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A Transcript is a file with a line for each message sent or received: the time, > or <, and
// the text with control characters, including newlines, escaped. It records one connection, or
// several in sequence.
type Transcript struct {
	mu      sync.Mutex
	file    *os.File
	streams map[byte]*text.Stream // by direction, > or <
	err     error
}

// OpenTranscript appends to a file, which it creates for this user alone. It refuses executable
// files and directories of plugins: the bytes of a peer must not become a program. The caller
// closes it.
func OpenTranscript(path string) (*Transcript, error) {
	directory, err := filepath.Abs(filepath.Dir(path))
	if err == nil {
		directory, err = filepath.EvalSymlinks(directory)
	}
	if err != nil {
		return nil, fmt.Errorf("transcript %s: %w; write it into a directory that exists", path, err)
	}
	if slices.Contains(strings.Split(filepath.ToSlash(directory), "/"), "plugins") {
		return nil, fmt.Errorf("transcript %s: what lies in plugins is run as a program; choose another directory", path)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("transcript %s: %w", path, err)
	case !info.Mode().IsRegular(), info.Mode()&0o111 != 0:
		return nil, fmt.Errorf("transcript %s is no plain file but %s; choose another name", path, info.Mode())
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("transcript %w; choose a file that can be written", err)
	}
	return &Transcript{file: file, streams: map[byte]*text.Stream{'>': {Form: text.OneLine}, '<': {Form: text.OneLine}}}, nil
}

func (t *Transcript) add(direction byte, p []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(direction, t.streams[direction].Next(p))
}

// ended records incomplete characters: the next connection does not continue them.
func (t *Transcript) ended() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, direction := range []byte{'>', '<'} {
		if rest := t.streams[direction].Rest(); len(rest) > 0 {
			t.write(direction, rest)
		}
	}
}

// write writes a line with one call, so that nothing is lost if the program is killed.
func (t *Transcript) write(direction byte, line []byte) {
	now := time.Now().Format("2006-01-02T15:04:05.000Z07:00")
	_, err := fmt.Fprintf(t.file, "%s %c %s\n", now, direction, line)
	t.err = cmp.Or(t.err, err)
}

// Close closes the file and returns the first error of writing.
func (t *Transcript) Close() error {
	if t == nil {
		return nil
	}
	t.ended()
	if err := errors.Join(t.err, t.file.Close()); err != nil {
		return fmt.Errorf("transcript: %w", err)
	}
	return nil
}
