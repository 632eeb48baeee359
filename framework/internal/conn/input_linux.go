package conn

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// AwaitClient waits until c has bytes to read or has ended, or for one of most slots of silent,
// whichever is first; release gives the slot back, if there is one. The error is that of a
// timeout after limit, 0 is none, or [net.ErrClosed] when ctx is done. A connection without a
// descriptor waits for a slot.
func AwaitClient(ctx context.Context, c net.Conn, limit time.Duration, silent *slots.Semaphore, most int) (release func(), err error) {
	raw := rawConn(c)
	if raw == nil {
		return awaitSlot(ctx, limit, silent, most)
	}
	return await(ctx, c, limit, silent, most, func() error { return raw.Read(peek) })
}

// awaitSlot is AwaitClient for a connection that cannot be looked at.
func awaitSlot(ctx context.Context, limit time.Duration, silent *slots.Semaphore, most int) (release func(), err error) {
	wait, cancel := ctx, func() {}
	if limit > 0 {
		wait, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	switch {
	case silent.Acquire(most, wait.Done()):
		return silent.Release, nil
	case ctx.Err() != nil:
		return nil, net.ErrClosed
	}
	return nil, &TimeoutError{"idle", limit, os.ErrDeadlineExceeded}
}

// peek reports whether a read would not block. Reading would take the error of a connection
// that was reset, which is for the child.
func peek(fd uintptr) bool { return poll(fd, pollIn) != 0 }

// poll returns which of events have happened, and of those that are always asked for; 0: none.
func poll(fd uintptr, events int16) int16 {
	p := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: events}
	var now syscall.Timespec
	_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return p.revents
}

// POLLIN and POLLHUP, which package syscall does not name.
const (
	pollIn  = 1
	pollHup = 16
)
