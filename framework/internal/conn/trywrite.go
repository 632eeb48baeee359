package conn

import (
	"errors"
	"net"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// socketWriter writes to a socket without blocking, past the poller of package net and also
// where the handler has cleared O_NONBLOCK. One closure serves all writes, so that they do
// not allocate.
type socketWriter struct {
	raw  syscall.RawConn
	call func(fd uintptr)
	p    []byte
	n    int
	err  error
}

func newSocketWriter(conn net.Conn) *socketWriter {
	w := &socketWriter{raw: rawConn(conn)}
	w.call = func(fd uintptr) { w.n, w.err = rawsock.Send(fd, w.p) }
	return w
}

// rawConn returns nil where conn has no descriptor.
func rawConn(conn net.Conn) syscall.RawConn {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// ready reports whether the connection has a socket that can be written to directly.
func (w *socketWriter) ready() bool { return w.raw != nil }

// write returns how much of p the socket buffer took.
func (w *socketWriter) write(p []byte) (int, error) {
	w.p = p
	err := w.raw.Control(w.call)
	w.p = nil
	switch {
	case err != nil:
		return 0, err
	case w.err == nil:
		return w.n, nil
	case errors.Is(w.err, syscall.EAGAIN), errors.Is(w.err, errors.ErrUnsupported): // of other systems than Linux
		return 0, nil
	}
	return 0, w.err
}
