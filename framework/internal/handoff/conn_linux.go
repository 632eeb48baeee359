package handoff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// Conn is one end of the channel. Several goroutines may send; one receives.
//
// The poller of Go knows the channel only by input, an epoll instance between the two. Else
// it would be told as well that there is room, each time that the other side has read what
// was sent: a process that waits for its next request would wake up for nothing after each.
type Conn struct {
	socket *Descriptor
	input  *os.File // readable when socket is
	ready  syscall.RawConn

	mu        sync.Mutex
	output    *os.File // the same socket as the poller knows it; nil: nobody has had to wait for room
	unblocked bool
}

// ErrUnsupported is returned by systems other than Linux.
var ErrUnsupported = errors.New("workers need Linux")

// ErrFull is returned by TrySend when the other side does not read fast enough.
var ErrFull = errors.New("the worker's channel is full")

// Pair makes a channel. The second end is for descriptor 3 of a new process; the caller
// closes both.
func Pair() (*Conn, *os.File, error) {
	ours, theirs, err := Sockets()
	if err != nil {
		return nil, nil, err
	}
	c, err := FromDescriptor(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return c, theirs, nil
}

// Sockets makes the two ends of a channel: ours for [FromDescriptor], theirs as in [Pair].
func Sockets() (ours int, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, fmt.Errorf("make channel: %w", err)
	}
	return fds[0], os.NewFile(uintptr(fds[1]), "worker"), nil
}

// FromDescriptor makes a Conn of one end. It owns the descriptor, and closes it on an error.
func FromDescriptor(fd int) (*Conn, error) {
	c, err := newConn(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return c, nil
}

func newConn(fd int) (*Conn, error) {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil || kind != syscall.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d is not one", fd)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd) // what a handler starts would keep the channel from ending
	input, err := watch(fd)
	if err != nil {
		return nil, err
	}
	ready, err := input.SyscallConn()
	return &Conn{socket: &Descriptor{fd: fd}, input: input, ready: ready}, err
}

// watch makes a file that is readable when fd is, and that is all.
func watch(fd int) (*os.File, error) {
	watcher, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	err = syscall.EpollCtl(watcher, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP})
	if err == nil {
		err = syscall.SetNonblock(watcher, true) // the poller takes no other file
	}
	if err != nil {
		_ = syscall.Close(watcher)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return os.NewFile(uintptr(watcher), "channel"), nil
}

// frames are the buffers that frames are sent from and received in.
var frames = sync.Pool{New: func() any { b := make([]byte, MaxFrame+1); return &b }}

// Send sends f and, where socket is not nil, a copy of its descriptor. It waits while the
// channel is full, until the write deadline.
func (c *Conn) Send(f *Frame, socket syscall.Conn) error { return c.send(f, socket, true) }

// TrySend is Send that returns ErrFull instead of waiting.
func (c *Conn) TrySend(f *Frame) error { return c.send(f, nil, false) }

func (c *Conn) send(f *Frame, socket syscall.Conn, wait bool) error {
	buf := frames.Get().(*[]byte)
	defer func() {
		if buf != nil {
			frames.Put(buf)
		}
	}()
	b := f.Append((*buf)[:0])
	if err := checkSize(b); err != nil {
		return err
	}
	var theirs syscall.RawConn
	if socket != nil {
		var err error
		if theirs, err = socket.SyscallConn(); err != nil {
			return err
		}
	}
	var failed error
	// The first attempt does not queue behind those who wait.
	err := c.socket.Control(func(fd uintptr) { failed = sendOnce(fd, b, theirs) })
	if err == nil && wait && full(failed) {
		var room syscall.RawConn
		if room, err = c.room(); err != nil {
			return err
		}
		b = bytes.Clone(b) // many may wait, with frames that are small
		frames.Put(buf)
		buf = nil
		// The descriptor is held only during an attempt: what waited while holding it would
		// keep the connection from being closed.
		err = room.Write(func(fd uintptr) bool {
			failed = sendOnce(fd, b, theirs)
			return !full(failed)
		})
	}
	if err == nil && full(failed) {
		return ErrFull
	}
	if err != nil {
		return err
	}
	return os.NewSyscallError("sendmsg", failed)
}

// room is what waits for room in the channel.
func (c *Conn) room() (syscall.RawConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.output == nil {
		same, err := Duplicate(c.socket)
		if err != nil {
			return nil, err
		}
		c.output = same.File()
		if c.unblocked {
			_ = c.output.SetWriteDeadline(past)
		}
	}
	return c.output.SyscallConn()
}

// full says whether a send succeeds once the other side has read.
func full(err error) bool { return errors.Is(err, syscall.EAGAIN) }

func sendOnce(fd uintptr, b []byte, conn syscall.RawConn) error {
	if conn == nil {
		return rawsock.SendMessage(fd, b, nil)
	}
	var failed error
	if err := conn.Control(func(passed uintptr) {
		failed = rawsock.SendMessage(fd, b, syscall.UnixRights(int(passed)))
	}); err != nil {
		return err
	}
	return failed
}

// Receive waits for a frame and passes it to use, which must not keep its Body. The
// server's side receives like this: without room for descriptors, so that a worker can
// not push any. The error is io.EOF when the other side has gone.
func (c *Conn) Receive(use func(Frame) error) error {
	return c.receive(nil, func(f Frame, _ *Descriptor, _ bool) error { return use(f) })
}

// ReceiveSocket is Receive for the worker's side. use owns the socket, which is nil where
// the frame had none. lost says that one was sent and did not arrive, as this process
// has no room for more descriptors.
func (c *Conn) ReceiveSocket(use func(f Frame, socket *Descriptor, lost bool) error) error {
	return c.receive(make([]byte, syscall.CmsgSpace(4)), use)
}

func (c *Conn) receive(control []byte, use func(Frame, *Descriptor, bool) error) error {
	var buf *[]byte
	var n, controlled, flags int
	var failed, closed error
	err := c.ready.Read(func(uintptr) bool {
		// The buffer is taken for each attempt, so that an idle worker holds none.
		buf = frames.Get().(*[]byte)
		closed = c.socket.Control(func(fd uintptr) { n, controlled, flags, failed = receiveOnce(fd, *buf, control) })
		if closed == nil && errors.Is(failed, syscall.EAGAIN) {
			frames.Put(buf)
			return false
		}
		return true
	})
	if err != nil {
		return err
	}
	defer frames.Put(buf)
	if closed != nil {
		return closed
	}
	if failed != nil {
		return os.NewSyscallError("recvmsg", failed)
	}
	if n == 0 {
		return io.EOF
	}
	socket := passedSocket(control[:controlled])
	f, err := Parse((*buf)[:n])
	if err == nil && flags&syscall.MSG_TRUNC != 0 {
		err = fmt.Errorf("frame is longer than %d bytes", MaxFrame)
	}
	if err != nil {
		if socket != nil {
			_ = socket.Close()
		}
		return err
	}
	return use(f, socket, flags&syscall.MSG_CTRUNC != 0)
}

// receiveOnce receives a frame without waiting for it. A reset says once that the other side
// has gone before it had read everything: what it sent before that comes after, and then
// the end.
func receiveOnce(fd uintptr, p, control []byte) (n, controlled, flags int, err error) {
	for {
		n, controlled, flags, err = rawsock.ReceiveMessage(fd, p, control)
		if !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECONNRESET) {
			return n, controlled, flags, err
		}
	}
}

func passedSocket(control []byte) *Descriptor {
	if len(control) == 0 {
		return nil
	}
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil
	}
	return &Descriptor{fd: fds[0]}
}

// Unblock makes sends that wait fail, as the worker is going to be ended.
func (c *Conn) Unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unblocked = true
	if c.output != nil {
		_ = c.output.SetWriteDeadline(past)
	}
}

var past = time.Unix(1, 0)

// CloseWrite says that nothing more is sent: the other side then reads the end of the
// channel and may still answer.
func (c *Conn) CloseWrite() error { return c.shutdown(syscall.SHUT_WR) }

// CloseRead makes Receive return io.EOF.
func (c *Conn) CloseRead() error { return c.shutdown(syscall.SHUT_RD) }

func (c *Conn) shutdown(how int) error {
	var failed error
	if err := c.socket.Control(func(fd uintptr) { failed = syscall.Shutdown(int(fd), how) }); err != nil {
		return err
	}
	return os.NewSyscallError("shutdown", failed)
}

// Close closes this end: the other side then reads the end of the channel.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{c.input.Close(), c.socket.Close()}
	if c.output != nil {
		errs = append(errs, c.output.Close())
	}
	return errors.Join(errs...)
}
