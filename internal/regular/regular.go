// Package regular opens files that others have made. What lies at a path may have become a pipe, whose reader waits for
// a writer, or a device, which never ends.
package regular

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is the error for what is no regular file.
var ErrNotRegular = errors.New("it is not a regular file")

// Open opens a regular file for reading, and never blocks. Its errors are of type [*fs.PathError].
func Open(path string) (*os.File, error) {
	f, err := OpenInput(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenInput is Open for what somebody names at a terminal, which may be a pipe, as of <(command). One that has no writer is empty.
func OpenInput(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // a socket, or a device without its driver
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return f, err
}

// Read reads a regular file, at most limit bytes of it.
func Read(path string, limit int64) ([]byte, error) { return read(Open, path, limit) }

// ReadInput is Read for what OpenInput opens.
func ReadInput(path string, limit int64) ([]byte, error) { return read(OpenInput, path, limit) }

func read(open func(string) (*os.File, error), path string, limit int64) ([]byte, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
