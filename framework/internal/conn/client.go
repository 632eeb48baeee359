package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// A Client is the connection of a client that is copied: what it sends to where its request runs, and the answer back.
type Client struct {
	net.Conn
	write time.Duration // bounds one write; 0: no bound
	err   error         // of the last read

	in, out atomic.Int64 // bytes that were read and written
}

// NewClient returns the Client of c, which stays the caller's.
func NewClient(c net.Conn, write time.Duration) *Client { return &Client{Conn: c, write: write} }

// Read implements [io.Reader].
func (c *Client) Read(p []byte) (n int, err error) {
	n, c.err = c.Conn.Read(p)
	c.in.Add(int64(n))
	return n, c.err
}

// Ended returns how the reads have ended: nil if the client has ended what it sends.
func (c *Client) Ended() error {
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return PeerError(c.err)
}

// Write implements [io.Writer]. A client that takes nothing within the time is given up.
func (c *Client) Write(p []byte) (int, error) {
	if c.write > 0 {
		_ = c.SetWriteDeadline(time.Now().Add(c.write))
	}
	n, err := c.Conn.Write(p)
	c.out.Add(int64(n))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, &TimeoutError{"write", c.write, err}
	}
	return n, PeerError(err)
}

// CloseWrite ends what the client is sent, where its connection has a way to.
func (c *Client) CloseWrite() { closeWrite(c.Conn) }
