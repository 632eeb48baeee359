//go:build unix && !linux

package socket

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// setMode gives the file at path, which is not followed, its mode, and returns it.
func setMode(_ syscall.Conn, path string, mode fs.FileMode) (fs.FileInfo, error) {
	if err := unix.Fchmodat(unix.AT_FDCWD, path, uint32(mode.Perm()), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// sendUnixgram sends without blocking. This system does not say whose socket has the name.
func sendUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	if !filepath.IsAbs(to.String()) {
		return errRelativeName
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) {
		err = syscall.Sendto(int(fd), p, syscall.MSG_DONTWAIT, &syscall.SockaddrUnix{Name: to.String()})
	})
	if failed != nil {
		return failed
	}
	return err
}
