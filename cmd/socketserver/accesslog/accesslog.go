// Package accesslog writes a line of JSON for each request that has ended.
//
// A request never waits for the file: lines are appended to memory, which a goroutine of the log
// writes. What a full disk or a pipe that nobody reads does not take is dropped and counted.
package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

const (
	maxWaiting = 4 << 20                // bytes that wait to be written
	interval   = 10 * time.Millisecond  // between writes, of all that has come meanwhile
	patience   = 300 * time.Millisecond // for what a pipe does not take, when it is reopened and at the end
)

// Standard is the path that stands for standard output.
const Standard = "-"

// A Log is an open access log. Any goroutine may use it.
type Log struct {
	path string
	log  hclog.Logger

	lost    atomic.Int64
	reports ratelog.Limiter

	mu      sync.Mutex // guards waiting, which Add holds for a moment
	waiting []byte     // whole lines
	wake    chan struct{}
	closing chan struct{}
	closed  chan struct{} // closed when the goroutine has written the rest

	reopening sync.Mutex // held while file changes
	writing   sync.Mutex // guards what follows, and is held while a pipe does not take it
	file      *os.File
	torn      bool // the last line was written in part
}

// Open opens the file at path, to which lines are appended, and begins to write. log is for
// what cannot be written.
func Open(path string, log hclog.Logger) (*Log, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	l := &Log{
		path: path, log: log, file: file,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	go l.run()
	return l, nil
}

// open opens a pipe only where it has a reader, as it would wait for one.
func open(path string) (*os.File, error) {
	if path == Standard {
		return os.Stdout, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o640)
	return file, explain(path, err)
}

// Check returns the error that Open would return, and opens nothing: the reader of a pipe would take the end of that for
// the end of the log. Whether a pipe has a reader it does not say, as that may change.
func Check(path string) error {
	if path == Standard {
		return nil
	}
	const write, enter = 2, 1
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = access(filepath.Dir(follow(path)), write|enter)
	case err != nil:
		err = errors.Unwrap(err)
	case info.IsDir():
		err = syscall.EISDIR
	case isSocket(path):
		err = syscall.ENXIO
	default:
		err = access(path, write)
	}
	if err != nil {
		err = &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return explain(path, err)
}

// follow returns where a link that leads to no file leads to.
func follow(path string) string {
	for {
		target, err := os.Readlink(path)
		switch {
		case err != nil:
			return path
		case !filepath.IsAbs(target):
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
}

// explain returns an error of opening path, which may be nil, with what to do about it.
func explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENXIO) && isSocket(path):
		return fmt.Errorf("%s is a socket; name a file or a pipe, or write \"-\" for standard output", path)
	case errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("nothing reads the pipe %s; start its reader first, or change log.access", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; make the directory, or change log.access", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let this user write there, or change log.access", err)
	}
	return fmt.Errorf("%w; change log.access", err)
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}

// Add appends the line of a request that has ended.
func (l *Log) Add(r *framework.Request, o framework.Outcome) {
	l.mu.Lock()
	length := len(l.waiting)
	l.waiting = appendLine(l.waiting, time.Now(), r, o)
	line := len(l.waiting) - length
	full := length+line > maxWaiting
	if full {
		l.waiting = l.waiting[:length]
	}
	l.mu.Unlock()
	if full {
		l.drop(line, errors.New("it is not read"))
		return
	}
	select {
	case l.wake <- struct{}{}:
	default: // the goroutine has not looked since
	}
}

// drop counts a line of that size that is not written.
func (l *Log) drop(size int, why error) {
	l.lost.Add(1)
	l.reports.Admit(0, size, func(lines, _ int) {
		l.log.Warn("access log lines dropped", "path", l.path, "lines", lines, "error", why)
	})
}

// Lost returns the number of lines that were dropped.
func (l *Log) Lost() int64 { return l.lost.Load() }

// run writes what waits, all at once, until Close. The first line after a pause is written as it
// comes; those of a busy server gather, as waking up for each costs more than to write it.
func (l *Log) run() {
	defer close(l.closed)
	var spare []byte
	for last := false; !last; {
		select {
		case <-l.wake:
		case <-l.closing:
			last = true
		}
		l.mu.Lock()
		lines := l.waiting
		l.waiting = spare[:0]
		l.mu.Unlock()
		l.write(lines)
		spare = lines
		select {
		case <-time.After(interval):
		case <-l.closing:
		}
	}
}

// write writes whole lines, so that none is in two files.
func (l *Log) write(lines []byte) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.torn && len(lines) > 0 {
		if _, err := l.file.Write([]byte("\n")); err == nil {
			l.torn = false
		}
	}
	n, err := l.file.Write(lines)
	if err == nil {
		return
	}
	whole := bytes.LastIndexByte(lines[:n], '\n') + 1
	for line := range bytes.Lines(lines[whole:]) {
		l.drop(len(line), err)
	}
	l.torn = l.torn && n == 0 || whole < n
}

// Reopen opens the path again, after the file was renamed. Where that fails the old file stays.
func (l *Log) Reopen() error {
	if l.path == Standard {
		return nil
	}
	file, err := open(l.path)
	if err != nil {
		return err
	}
	l.reopening.Lock()
	defer l.reopening.Unlock()
	old := l.file
	_ = old.SetWriteDeadline(time.Now().Add(patience)) // wakes the writer of a pipe that nobody reads; others have none
	l.writing.Lock()
	l.file, l.torn = file, false
	l.writing.Unlock()
	return old.Close()
}

// Close writes what waits, for a moment, and closes the file. No Add may follow.
func (l *Log) Close() error {
	close(l.closing)
	select {
	case <-l.closed:
	case <-time.After(patience):
		l.mu.Lock()
		for line := range bytes.Lines(l.waiting) {
			l.drop(len(line), errors.New("it is not read"))
		}
		l.mu.Unlock()
	}
	l.reports.Flush()
	if l.path == Standard {
		return nil
	}
	return l.file.Close()
}
