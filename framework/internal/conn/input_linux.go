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

// Arrived reports whether c has bytes to read or has ended, without waiting for either. ok is
// false for a connection without a descriptor.
func Arrived(c net.Conn) (arrived, ok bool) {
	raw, ok := rawOf(c)
	if ok {
		_ = raw.Control(func(fd uintptr) { arrived = peek(fd) })
	}
	return arrived, ok
}

// AwaitClient waits until c has bytes to read or has ended. A client that stays silent for
// longer than grace takes one of most slots of silent in place of that; release is called when
// it has no use for it any more. The error is that of a timeout after limit, 0 is none, or
// ErrClosed when ctx is done.
func AwaitClient(ctx context.Context, c net.Conn, grace, limit time.Duration, silent *slots.Semaphore, most int) (release func(), err error) {
	release = func() {}
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	_ = c.SetReadDeadline(time.Now().Add(grace))
	if awaitInput(c) == nil {
		return release, nil
	}
	late := time.Time{}
	if limit > 0 {
		late = time.Now().Add(limit)
	}
	_ = c.SetReadDeadline(late)
	wake := func() { _ = c.SetReadDeadline(past) }
	defer context.AfterFunc(ctx, wake)()
	spoke, slot := make(chan struct{}), make(chan bool, 1)
	go func() {
		got := silent.Acquire(most, spoke)
		if got {
			wake()
		}
		slot <- got
	}()
	err = awaitInput(c)
	close(spoke)
	switch {
	case <-slot:
		return silent.Release, nil
	case ctx.Err() != nil:
		return release, net.ErrClosed
	case err != nil:
		return release, &TimeoutError{"idle", limit, err}
	}
	return release, nil
}

// awaitInput waits until c has bytes to read or has ended, or until its read deadline.
func awaitInput(c net.Conn) error {
	raw, ok := rawOf(c)
	if !ok {
		return os.NewSyscallError("recvfrom", syscall.EOPNOTSUPP)
	}
	return raw.Read(peek)
}

func rawOf(c net.Conn) (syscall.RawConn, bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := s.SyscallConn()
	return raw, err == nil
}

// peek reports whether a read would not block. Reading would take the error of a connection
// that was reset, which is for the child.
func peek(fd uintptr) bool {
	p := struct {
		fd              int32
		events, revents int16
	}{fd: int32(fd), events: pollIn}
	var now syscall.Timespec
	n, _, _ := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n == 1
}

const pollIn = 1 // POLLIN, which package syscall does not name
