//go:build unix

package framework

import (
	"errors"
	"syscall"
)

// socketWriter writes to a socket without waiting, past the poller of package net and even
// where somebody has cleared O_NONBLOCK. One closure serves all writes, so that they allocate
// nothing.
type socketWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr)
	p    []byte
	n    int
	err  error
}

func (w *socketWriter) open(c syscall.Conn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	w.raw = raw
	w.call = func(fd uintptr) {
		for {
			if w.n, w.err = syscall.SendmsgN(int(fd), w.p, nil, nil, syscall.MSG_DONTWAIT); !errors.Is(w.err, syscall.EINTR) {
				return
			}
		}
	}
}

// ready says whether the connection has a socket that can be written to directly.
func (w *socketWriter) ready() bool { return w.raw != nil }

// write returns how much of p the system took.
func (w *socketWriter) write(p []byte) (int, error) {
	w.p = p
	err := w.raw.Control(w.call)
	w.p = nil
	switch {
	case err != nil:
		return 0, err
	case w.err == nil:
		return w.n, nil
	case errors.Is(w.err, syscall.EAGAIN):
		return 0, nil
	}
	return 0, w.err
}
