package conn

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// AwaitBytes is [AwaitClient] for a connection that has no descriptor to look at: it reads the first
// bytes, which the returned connection has again.
func AwaitBytes(ctx context.Context, c net.Conn, limit time.Duration, silent *slots.Semaphore, most int) (begun net.Conn, release func(), err error) {
	b := &begunConn{Conn: c}
	release, err = await(ctx, c, limit, silent, most, func() error {
		first := make([]byte, 4096)
		n, err := c.Read(first)
		if n > 0 {
			b.first = first[:n]
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // another read returns an error again
		}
		return err
	})
	return b, release, err
}

// A begunConn is a connection whose first bytes have been read.
type begunConn struct {
	net.Conn
	first []byte
}

func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		if c.first = c.first[n:]; len(c.first) == 0 {
			c.first = nil // its memory, for as long as the connection lives
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite is that of [net.TCPConn], where the connection has one.
func (c *begunConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// await calls wait, which a read deadline of c ends, until it returns or there is one of most slots of
// silent, whichever is first. See [AwaitClient].
func await(ctx context.Context, c net.Conn, limit time.Duration, silent *slots.Semaphore, most int, wait func() error) (release func(), err error) {
	late := time.Time{}
	if limit > 0 {
		late = time.Now().Add(limit)
	}
	_ = c.SetReadDeadline(late)
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
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
	err = wait()
	close(spoke)
	switch {
	case <-slot:
		return silent.Release, nil
	case ctx.Err() != nil:
		return nil, net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &TimeoutError{"idle", limit, err}
	case err != nil:
		return nil, err
	}
	return func() {}, nil
}
