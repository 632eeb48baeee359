package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// sharedPair returns a connection of TCP, whose description blocks as another process may have it, and its client.
func sharedPair(t *testing.T) (accepted, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dialled.Close() })
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	of(t, c, func(fd int) error { return syscall.SetNonblock(fd, false) })
	return c.(*net.TCPConn), dialled.(*net.TCPConn)
}

func of(t *testing.T, c net.Conn, do func(fd int) error) {
	t.Helper()
	require.NoError(t, rawConn(c).Control(func(fd uintptr) { require.NoError(t, do(int(fd))) }))
}

// fill fills the buffers of a client that does not read.
func fill(t *testing.T, c net.Conn) {
	t.Helper()
	of(t, c, func(fd int) error {
		for {
			if _, err := rawsock.Send(uintptr(fd), make([]byte, 1<<16)); err != nil {
				require.ErrorIs(t, err, syscall.EAGAIN)
				return nil
			}
		}
	})
}

// within expects that do returns, however long a client does nothing.
func within(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		require.FailNow(t, "it blocks")
	}
}

func TestSharedConnTransfers(t *testing.T) {
	accepted, client := sharedPair(t)
	c := Shared(accepted)
	go func() {
		_, _ = io.Copy(c, c)
		_ = c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	sent := make([]byte, 8<<20) // more than the buffers hold
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Len(t, got, len(sent))
}

// No read or write holds a thread where the other process has cleared O_NONBLOCK: deadlines and Close end them.
func TestSharedConnDoesNotBlock(t *testing.T) {
	accepted, client := sharedPair(t)
	c := Shared(accepted)
	_, err := client.Write([]byte("unread"))
	require.NoError(t, err)
	within(t, func() { DiscardUnread(c) })
	n, err := client.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Equal(t, io.EOF, err, "it has been told the end")

	accepted, _ = sharedPair(t)
	c = Shared(accepted)
	fill(t, c)
	require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Millisecond)))
	within(t, func() { _, err = c.Write([]byte("banner")) })
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	ended := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	within(t, func() { require.NoError(t, c.Close()) })
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

// A close does not wait for a client that reads nothing, though the other process has set SO_LINGER.
func TestSharedConnDoesNotLinger(t *testing.T) {
	for name, shut := range map[string]func(c net.Conn){"close": func(c net.Conn) { _ = Shared(c).Close() }, "kill": Kill} {
		t.Run(name, func(t *testing.T) {
			accepted, _ := sharedPair(t)
			fill(t, accepted)
			of(t, accepted, func(fd int) error {
				return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1, Linger: 3600})
			})
			within(t, func() { shut(accepted) })
		})
	}
}

// A thread that is in a read, as the handler has had the description block, does not keep Kill waiting.
func TestKillEndsABlockedRead(t *testing.T) {
	accepted, client := sharedPair(t)
	began, ended := make(chan struct{}), make(chan error)
	go func() {
		buf := make([]byte, 1)
		_, err := accepted.Read(buf)
		close(began)
		for err == nil { // the first of them may have been before the second byte was there
			_, err = accepted.Read(buf)
		}
		ended <- err
	}()
	_, err := client.Write([]byte("x"))
	require.NoError(t, err)
	<-began
	within(t, func() { Kill(accepted) })
	within(t, func() { err = <-ended })
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed), err)
}
