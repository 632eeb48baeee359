package handoff

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is both ends of a channel.
func pair(t *testing.T) (ours, theirs *Conn) {
	t.Helper()
	ours, file, err := Pair()
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	fd, err := syscall.Dup(int(file.Fd()))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	theirs, err = FromDescriptor(fd)
	require.NoError(t, err)
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// connected returns both sides of a connection.
func connected(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return client, server
}

// One message carries the frame and the connection.
func TestSendConnection(t *testing.T) {
	ours, theirs := pair(t)
	client, server := connected(t)
	require.NoError(t, ours.Send(&Frame{Kind: Stream, ID: 7, Network: "tcp"}, server.(syscall.Conn)))
	require.NoError(t, server.Close())
	require.NoError(t, theirs.ReceiveSocket(func(f Frame, socket *Descriptor, lost bool) error {
		require.EqualValues(t, 7, f.ID)
		require.False(t, lost)
		conn, err := socket.Conn()
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "hello")
		return err
	}))
	text, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
}

// counted is a socket whose senders are counted.
type counted struct {
	*net.TCPConn
	senders atomic.Int64
}

func (c *counted) SyscallConn() (syscall.RawConn, error) {
	c.senders.Add(1)
	return c.TCPConn.SyscallConn()
}

// What waits for room in the channel keeps its frame, and no buffer for the largest one.
func TestMemoryOfWaitingFrames(t *testing.T) {
	ours, _ := pair(t)
	client, _ := connected(t)
	for ours.TrySend(&Frame{Kind: Wake}) == nil {
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // and what is pooled
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const senders, most = 400, 8 << 20 // of 64 MiB
	socket := &counted{TCPConn: client.(*net.TCPConn)}
	var all sync.WaitGroup
	for range senders {
		all.Go(func() { _ = ours.Send(&Frame{Kind: Stream, Network: "tcp"}, socket) })
	}
	require.Eventually(t, func() bool { return socket.senders.Load() == senders && heap() < before+most }, 3*time.Minute, 10*time.Millisecond)
	ours.Unblock()
	all.Wait()
}

// The server's side takes no descriptors: a worker could fill its table with them.
func TestReceiveTakesNoDescriptors(t *testing.T) {
	ours, theirs := pair(t)
	client, _ := connected(t)
	before := open(t)
	require.NoError(t, theirs.Send(&Frame{Kind: Hello}, client.(syscall.Conn)))
	require.NoError(t, ours.Receive(func(f Frame) error { require.Equal(t, Hello, f.Kind); return nil }))
	require.Equal(t, before, open(t))
}

// What waits for a frame is not woken when the other side reads.
func TestRoomIsNoEvent(t *testing.T) {
	ours, theirs := pair(t)
	watcher, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	require.NoError(t, err)
	defer syscall.Close(watcher)
	both := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLOUT | 1<<31} // edges
	require.NoError(t, ours.ready.Control(func(fd uintptr) {
		require.NoError(t, syscall.EpollCtl(watcher, syscall.EPOLL_CTL_ADD, int(fd), &both))
	}))
	events := func() int {
		n, err := syscall.EpollWait(watcher, make([]syscall.EpollEvent, 1), 0)
		require.NoError(t, err)
		return n
	}
	ignore := func(Frame) error { return nil }
	require.Zero(t, events())
	require.NoError(t, ours.Send(&Frame{Kind: Cancel, ID: 1}, nil))
	require.NoError(t, theirs.Receive(ignore))
	require.Zero(t, events())
	require.NoError(t, theirs.Send(&Frame{Kind: Cancel, ID: 1}, nil))
	require.Equal(t, 1, events())
	require.NoError(t, ours.Receive(ignore))
	require.Zero(t, events())
}

func open(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// A full channel makes TrySend fail and Send wait until it has been read or is given up.
func TestFull(t *testing.T) {
	ours, theirs := pair(t)
	big := &Frame{Kind: Configure, Body: make([]byte, 60<<10)}
	fill := func() (frames int) {
		for ; ; frames++ {
			if err := ours.TrySend(big); err != nil {
				require.ErrorIs(t, err, ErrFull)
				return frames
			}
		}
	}
	frames := fill()
	require.NotZero(t, frames)
	sent := make(chan error, 1)
	go func() { sent <- ours.Send(big, nil) }()
	for range frames + 1 { // the system wakes the sender when most of it has been read
		require.NoError(t, theirs.Receive(func(Frame) error { return nil }))
	}
	require.NoError(t, <-sent)

	fill()
	go func() { sent <- ours.Send(big, nil) }()
	ours.Unblock()
	require.ErrorIs(t, <-sent, os.ErrDeadlineExceeded)
}

func TestTooLong(t *testing.T) {
	ours, _ := pair(t)
	err := ours.Send(&Frame{Kind: Configure, Body: make([]byte, MaxFrame)}, nil)
	require.ErrorContains(t, err, "longer than")
}

// The end of the channel is io.EOF, in either direction alone.
func TestEnd(t *testing.T) {
	ours, theirs := pair(t)
	require.NoError(t, ours.CloseWrite())
	require.ErrorIs(t, theirs.Receive(nil), io.EOF)
	require.NoError(t, theirs.Send(&Frame{Kind: Hello}, nil))
	require.NoError(t, ours.Receive(func(Frame) error { return nil }))

	ended := make(chan error, 1)
	go func() { ended <- ours.Receive(nil) }()
	require.NoError(t, theirs.Close())
	select {
	case err := <-ended:
		require.ErrorIs(t, err, io.EOF)
	case <-time.After(20 * time.Second):
		t.Fatal("the end is not noticed")
	}
}

// A side that goes before it has read everything has still said what it said.
func TestEndWithFramesUnread(t *testing.T) {
	ours, theirs := pair(t)
	require.NoError(t, ours.Send(&Frame{Kind: Cancel}, nil))
	require.NoError(t, theirs.Send(&Frame{Kind: Hello}, nil))
	require.NoError(t, theirs.Close())
	require.NoError(t, ours.Receive(func(f Frame) error {
		require.Equal(t, Hello, f.Kind)
		return nil
	}))
	require.ErrorIs(t, ours.Receive(nil), io.EOF)
}

// What is not a channel is refused with a plain error, and closed.
func TestNotAChannel(t *testing.T) {
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
	require.NoError(t, err)
	_, err = FromDescriptor(fd)
	require.ErrorContains(t, err, "open channel")
	require.ErrorIs(t, syscall.Close(fd), syscall.EBADF)
	_, err = FromDescriptor(fd)
	require.ErrorContains(t, err, "open channel")
}

// A descriptor of a socket outlives it, can be sent, and is closed once.
func TestDescriptor(t *testing.T) {
	ours, theirs := pair(t)
	before := open(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d, err := Duplicate(l.(syscall.Conn))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoError(t, ours.Send(&Frame{Kind: Listen, ID: 1}, d))
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	require.ErrorIs(t, ours.Send(&Frame{Kind: Listen, ID: 2}, d), net.ErrClosed)
	require.NoError(t, theirs.ReceiveSocket(func(_ Frame, socket *Descriptor, _ bool) error {
		file := socket.File()
		defer file.Close()
		same, err := net.FileListener(file)
		require.NoError(t, err)
		require.Equal(t, l.Addr().String(), same.Addr().String())
		return same.Close()
	}))
	require.Equal(t, before, open(t))
}
