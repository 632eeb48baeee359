//go:build unix

package framework

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// unixSocket is the file of a Unix socket. A lock beside it decides between two servers
// that start at once; a socket that nobody answers on is left over from one that was
// killed, and is removed. Nothing else ever is.
type unixSocket struct {
	path string // empty: abstract, without a file
	mode os.FileMode
	lock *os.File
	file fs.FileInfo // the socket as we made it
}

func claimSocket(network, path string, mode uint32) (*unixSocket, error) {
	if mode == 0 {
		mode = 0o600
	}
	s := &unixSocket{mode: os.FileMode(mode)}
	if strings.HasPrefix(path, "@") {
		return s, nil
	}
	s.path = path
	var err error
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	if err := s.removeStale(network); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	return s, nil
}

func (s *unixSocket) removeStale(network string) error {
	found, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at socket: %w", err)
	}
	if found.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket; remove it or choose another path", s.path)
	}
	conn, err := net.DialTimeout(network, s.path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is in use by another server; stop it or choose another path: %w", s.path, syscall.EADDRINUSE)
	}
	return os.Remove(s.path)
}

// prepare gives the socket its mode before bind(2) makes the file, so that there is no
// moment at which others may connect.
func (s *unixSocket) prepare(fd int) error {
	if s.path == "" {
		return nil
	}
	return syscall.Fchmod(fd, uint32(s.mode.Perm()))
}

// bound takes note of the file. What the umask took away is given back.
func (s *unixSocket) bound() (err error) {
	if s.path == "" {
		return nil
	}
	if err := os.Chmod(s.path, s.mode); err != nil {
		return fmt.Errorf("set mode of socket: %w", err)
	}
	s.file, err = os.Lstat(s.path)
	return err
}

// remove removes the socket if it is still ours, and gives up the claim.
func (s *unixSocket) remove() error {
	if s.path == "" {
		return nil
	}
	var err error
	if found, failed := os.Lstat(s.path); failed == nil && s.file != nil && os.SameFile(found, s.file) {
		err = os.Remove(s.path)
	}
	return errors.Join(err, s.abandon())
}

// abandon gives up the claim. The lock is removed while it is held.
func (s *unixSocket) abandon() error {
	if s.lock == nil {
		return nil
	}
	err := errors.Join(os.Remove(s.lock.Name()), s.lock.Close())
	s.lock = nil
	return err
}

// lockFile takes the lock at path. A holder removes the file before it lets go, so what
// was locked must still be what is there.
func lockFile(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock socket: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("%s is in use by another server; stop it or choose another path: %w", strings.TrimSuffix(path, ".lock"), syscall.EADDRINUSE)
		}
		held, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock socket: %w", err), f.Close())
		}
		if there, err := os.Lstat(path); err == nil && os.SameFile(held, there) {
			return f, nil
		}
		_ = f.Close()
	}
}

// answerUnixgram sends without waiting: a client that does not read its answers would
// hold up the server, where UDP drops them.
func answerUnixgram(c *net.UnixConn, p []byte, to *net.UnixAddr) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = syscall.Sendto(int(fd), p, syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: to.Name})
	}); err != nil {
		return err
	}
	switch {
	case errors.Is(failed, syscall.EAGAIN):
		return errors.New("answer dropped: the client does not read its answers")
	case errors.Is(failed, syscall.ENOENT), errors.Is(failed, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrPeerGone, failed)
	}
	return failed
}
