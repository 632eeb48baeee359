//go:build !unix

package socket

import (
	"net"
	"os"
	"syscall"
)

// UnixFile is the file of a Unix socket; this system keeps no lock beside it.
type UnixFile struct{ path string }

// claim does nothing here, as the methods do but for Remove.
func claim(_, path string, _ uint32) (*UnixFile, error) { return &UnixFile{path}, nil }

// Check finds nothing here: only an attempt to listen tells.
func Check(_, _ string, _ *Options) error { return nil }

func (s *UnixFile) prepare(int) error        { return nil }
func (s *UnixFile) bound(syscall.Conn) error { return nil }
func (s *UnixFile) abandon() error           { return nil }
func (s *UnixFile) held() *os.File           { return nil }

func owned(path string, _ *os.File) *UnixFile { return &UnixFile{path} }

// Remove removes the file.
func (s *UnixFile) Remove() error {
	if s == nil {
		return nil
	}
	if err := os.Remove(s.path); !os.IsNotExist(err) {
		return err
	}
	return nil
}

func replyUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	_, err := c.WriteTo(p, to)
	return err
}
