//go:build !unix

package framework

import (
	"net"
	"os"
)

// unixSocket is the file of a Unix socket, which this system removes by itself.
type unixSocket struct{ path string }

func claimSocket(_, path string, _ uint32) (*unixSocket, error) { return &unixSocket{path}, nil }

func (s *unixSocket) prepare(int) error { return nil }
func (s *unixSocket) bound() error      { return nil }
func (s *unixSocket) abandon() error    { return nil }

func (s *unixSocket) remove() error {
	if err := os.Remove(s.path); !os.IsNotExist(err) {
		return err
	}
	return nil
}

func answerUnixgram(c *net.UnixConn, p []byte, to *net.UnixAddr) error {
	_, err := c.WriteToUnix(p, to)
	return err
}
