package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/slots"
)

// ErrPeerGone is exported by package framework.
var ErrPeerGone = errors.New("framework: client has gone")

// PeerError adds ErrPeerGone to errors that mean that the client has reset or left the
// connection.
func PeerError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	for _, gone := range []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if errors.Is(err, gone) {
			return fmt.Errorf("%w: %w", ErrPeerGone, err)
		}
	}
	return err
}

// SourceOf returns the source of a client: at a Unix socket its user, where the system knows it. accepted is nil
// for a datagram.
func SourceOf(client net.Addr, accepted net.Conn) slots.Key {
	if _, ok := client.(*net.UnixAddr); ok && accepted != nil {
		if uid, ok := peerUser(accepted); ok {
			return slots.KeyOfUser(uid)
		}
	}
	return slots.KeyOf(client)
}

// EndWrites tells the client that all was written, where conn has a way to. It takes at most half a
// second, unless the layer has a bound of its own: TLS takes five for an alert.
func EndWrites(conn net.Conn) {
	_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	closeWrite(conn)
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// A failer can tell its client that a request has failed, as a WebSocket can by its close code.
type failer interface{ Fail() error }

// Fail tells the client that its request has failed, where conn has a way to.
func Fail(conn net.Conn) {
	if f, ok := asFailer(conn); ok {
		_ = f.Fail()
	}
}

func asFailer(conn net.Conn) (failer, bool) {
	if begun, ok := conn.(*begunConn); ok {
		conn = begun.Conn
	}
	f, ok := conn.(failer)
	return f, ok
}

// DiscardUnread reads what the client has sent and the handler has not read: closing with
// unread bytes resets the connection, and the client could lose the answer. It takes at
// most half a second and 256 KiB.
func DiscardUnread(conn net.Conn) {
	const limit = 256 << 10
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	buf := make([]byte, 4096)
	for total := 0; total < limit; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}
