//go:build unix

package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// UnixFile is the file of a Unix socket. A lock file beside it decides between two servers
// that start at once. A socket that refuses connections was left over by a server that was
// killed, and is removed; nothing else ever is.
type UnixFile struct {
	path string // empty: abstract, without a file
	at   string // where the file is: at path, or hidden while the socket is suspended
	mode os.FileMode
	lock *os.File
	file fs.FileInfo // the socket as bind made it
}

// claim takes the path for a socket of network unix or unixgram; mode 0 means 0600. A path
// that begins with @ is abstract and has no file.
func claim(network, path string, mode uint32) (*UnixFile, error) {
	if mode == 0 {
		mode = 0o600
	}
	s := &UnixFile{mode: os.FileMode(mode)}
	if strings.HasPrefix(path, "@") {
		return s, nil
	}
	s.path, s.at = path, path
	err := checkPath(path)
	if err != nil {
		return nil, err
	}
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	if err := removeStale(network, path); err != nil {
		return nil, errors.Join(err, s.abandon())
	}
	_ = removeStale(network, s.hidden()) // another file there is in the way of a suspension alone
	return s, nil
}

// hidden is where the file is while the socket is suspended.
func (s *UnixFile) hidden() string { return s.path + ".suspended" }

// removeStale removes what a server that was killed has left at the path. Anything else there is an error.
func removeStale(network, path string) error {
	stale, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := checkPath(path); err != nil { // a file that is no socket would be removed below
		return err
	}
	c, err := net.DialTimeout(network, path, time.Second)
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return inUse(path)
	}
	return removeSame(path, stale)
}

// inDirectory calls do with the directory of path and the name there: whoever may rename directories on the way cannot have
// do act on files of two of them.
func inDirectory(path string, do func(dir *os.Root, name string) error) error {
	dir, err := os.OpenRoot(filepath.Dir(path) + "/") // the slash: it does not wait for a writer of a FIFO there
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir, filepath.Base(path))
}

// removeSame removes the file at path if it is still that one.
func removeSame(path string, file fs.FileInfo) error {
	err := inDirectory(path, func(dir *os.Root, name string) error {
		if found, err := dir.Lstat(name); err != nil || !os.SameFile(found, file) {
			return err
		}
		return dir.Remove(name)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func inUse(path string) error {
	return fmt.Errorf("%s is in use by another server; stop it or choose another path: %w", path, syscall.EADDRINUSE)
}

// prepare gives the socket its mode before bind(2) creates the file, so that there is no
// moment at which others may connect.
func (s *UnixFile) prepare(fd int) error {
	if s.path == "" {
		return nil
	}
	return syscall.Fchmod(fd, uint32(s.mode.Perm()))
}

// bound records the file and restores the bits that the umask took.
func (s *UnixFile) bound(socket syscall.Conn) (err error) {
	if s.path == "" {
		return nil
	}
	if s.file, err = setMode(socket, s.path, s.mode); err != nil {
		return fmt.Errorf("set mode of socket: %w", err)
	}
	return nil
}

// Remove removes the socket if it is still the one that was bound, and gives up the claim. A
// nil UnixFile has none.
func (s *UnixFile) Remove() error {
	if s == nil || s.path == "" {
		return nil
	}
	var err error
	if s.file != nil {
		err = removeSame(s.at, s.file)
	}
	s.file = nil // what is at the path from now on is another server's
	return errors.Join(err, s.abandon())
}

// abandon gives up the claim. The lock file is removed while it is locked.
func (s *UnixFile) abandon() error {
	if s.lock == nil {
		return nil
	}
	held, err := s.lock.Stat()
	if err == nil {
		err = removeSame(s.path+".lock", held)
	}
	err = errors.Join(err, s.lock.Close())
	s.lock = nil
	return err
}

// held returns the file that is locked; nil: none is.
func (s *UnixFile) held() *os.File {
	if s == nil {
		return nil
	}
	return s.lock
}

// owned returns the file at path, or hidden, which another process has made and locked. What is at path while
// there is a hidden one is another server's.
func owned(path string, lock *os.File) *UnixFile {
	s := &UnixFile{path: path, at: path, lock: lock}
	for _, at := range []string{s.hidden(), path} {
		if found, err := os.Lstat(at); err == nil && found.Mode().Type() == fs.ModeSocket {
			s.at, s.file = at, found // without it nothing is removed
			break
		}
	}
	return s
}

// lockFile locks the file at path. A holder removes the file before it unlocks it, so the
// file that was locked must still be the one at path.
func lockFile(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, lockError(err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			_ = f.Close()
			return nil, inUse(strings.TrimSuffix(path, ".lock"))
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

// replyUnixgram sends without blocking: a client that does not read its answers would block
// the server; UDP drops them, too.
func replyUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	failed := sendUnixgram(c, p, to)
	switch {
	case errors.Is(failed, syscall.EAGAIN):
		return errors.New("answer dropped: the client does not read its answers")
	case errors.Is(failed, syscall.ENOENT), errors.Is(failed, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", conn.ErrPeerGone, failed)
	}
	return failed
}
