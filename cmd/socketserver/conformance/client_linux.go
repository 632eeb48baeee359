package conformance

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/internal/text"
)

// A client is a connection of a check, which closes it.
type client struct{ net.Conn }

// errSilent is wrapped where nothing came in time.
var errSilent = errors.New("no answer")

// dial connects. buffer is the size of the socket's buffer for what the server sends; 0: the
// system's.
func (t *trial) dial(buffer int) (*client, error) {
	d := net.Dialer{Timeout: patience}
	if buffer > 0 {
		d.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer) })
			return errors.Join(err, failed)
		}
	}
	conn, err := d.DialContext(t.ctx, t.subject.Stream.Network, t.subject.Stream.Address)
	if err != nil {
		return nil, err
	}
	c := &client{conn}
	t.clients = append(t.clients, c)
	return c, nil
}

func (c *client) send(text string) error {
	_, err := io.WriteString(c, text)
	return err
}

// end ends what the client sends.
func (c *client) end() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// reset closes the connection without a goodbye.
func (c *client) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// An otherAnswer is another one than is known.
type otherAnswer struct {
	got   []byte
	known string
}

func (e *otherAnswer) Error() string {
	return fmt.Sprintf("it answered %s in place of %s", text.Beginning(e.got), text.Beginning(e.known))
}

// expect reads as many bytes as the answer has.
func (c *client) expect(answer string, bound time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(bound))
	got := make([]byte, len(answer))
	n, err := io.ReadFull(c, got)
	switch {
	case string(got[:n]) != answer[:n]:
		return &otherAnswer{got[:n], answer}
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w within %s%s", errSilent, bound.Round(100*time.Millisecond), behind(n, answer))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it ended the connection without the answer %s%s", text.Beginning(answer), behind(n, answer))
	}
	return fmt.Errorf("the answer is lost: %w%s", reason(err), behind(n, answer))
}

// rest reads until the server ends the connection.
func (c *client) rest(bound time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(bound))
	_, err := io.Copy(io.Discard, c)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it goes on %s after the client has ended its input", bound.Round(100*time.Millisecond))
	case err != nil:
		return fmt.Errorf("the answer may be lost: %w", reason(err))
	}
	return nil
}

// behind says how much of an answer has come, where a part of it has.
func behind(n int, answer string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", after %d of %d bytes", n, len(answer))
}

// reason returns the system's reason of an error.
func reason(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}
