package mishap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	words "github.com/go-socketserver/socketserver/cmd/socketserver/compare/mishap/experiment"
)

// A client is one request of an experiment.
type client struct {
	conn  net.Conn
	lines *bufio.Reader
	pid   int         // of the process that serves it; 0: not known yet
	keep  func() bool // detaches conn from ctx
}

// errSilent is the error of a wait without an answer.
var errSilent = errors.New("there was no answer in time")

// connect sends the first line of a request. The end of the scene's context closes the connection.
func (s *scene) connect(word string) (*client, error) {
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(s.ctx, s.subject.Network, s.subject.Address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, lines: bufio.NewReader(conn)}
	c.keep = context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	s.clients = append(s.clients, c)
	_, err = fmt.Fprintln(conn, word)
	return c, err
}

func (c *client) close() {
	c.keep()
	_ = c.conn.Close()
}

// ready waits until the handler runs.
func (c *client) ready(bound time.Duration) error {
	line, err := c.read(bound)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(line, "ready %d", &c.pid); err != nil {
		return fmt.Errorf("the handler sent %q instead of ready", line)
	}
	return nil
}

// release lets the handler run the experiment, and returns the next line.
func (c *client) release(bound time.Duration) (string, error) {
	if _, err := io.WriteString(c.conn, "\n"); err != nil {
		return "", err
	}
	if c.pid == 0 { // the handler did not run before
		if err := c.ready(bound); err != nil {
			return "", err
		}
	}
	return c.read(bound)
}

// finish is release for the last line of a request, after which the connection must end.
func (c *client) finish() (string, error) {
	answer, err := c.release(patience)
	if err != nil {
		return "", err
	}
	if _, err := c.read(patience); err != io.EOF { //nolint:errorlint // what read returns
		return "", fmt.Errorf("the connection did not end with the answer: %w", err)
	}
	return answer, nil
}

// done finishes a request, and reports whether it was answered.
func (c *client) done() bool {
	answer, err := c.finish()
	return err == nil && answer == words.Done
}

func (c *client) read(bound time.Duration) (string, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(bound))
	line, err := c.lines.ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", errSilent
	}
	return strings.TrimSuffix(line, "\n"), err
}
