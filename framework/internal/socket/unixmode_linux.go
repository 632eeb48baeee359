package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setMode gives the file that bind(2) has made at path its mode, and returns it. Whoever may write in the directory may have put
// another file there since.
func setMode(socket syscall.Conn, path string, mode fs.FileMode) (fs.FileInfo, error) {
	file, err := openBound(socket, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, err := file.Stat()
	if err != nil || found.Mode().Perm() == mode.Perm() {
		return found, err
	}
	return found, os.Chmod(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), mode) // fchmod(2) does not take what can only be looked at
}

var errReplaced = errors.New("another file has taken the place of the socket: who else may write in its directory?")

// openBound opens the file of a socket. The system says which one that is only with CAP_NET_ADMIN; else it is the one at path
// if that is a socket of this user.
func openBound(socket syscall.Conn, path string) (*os.File, error) {
	const siocunixfile = 0x89e0
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var file uintptr
	var errno syscall.Errno
	if err := raw.Control(func(fd uintptr) { file, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, siocunixfile, 0) }); err != nil {
		return nil, err
	}
	if errno == 0 {
		return os.NewFile(file, path), nil
	}
	return openNamed(path)
}

// openNamed opens the file at path, which has to be a socket of this user.
func openNamed(path string) (*os.File, error) {
	opened, err := os.OpenFile(path, unix.O_PATH|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	found, err := opened.Stat()
	if err == nil && (found.Mode().Type() != fs.ModeSocket || found.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid())) {
		err = errReplaced
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}
