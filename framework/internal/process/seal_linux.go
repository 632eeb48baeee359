package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Seal reads the file at path once, into memory that nobody can change afterwards, and returns what
// is opened and started from there, with its SHA-256 in hex. Where the system does not let memory be run
// (vm.memfd_noexec) it is the file itself, pinned, as it is now; sealed reports that it is memory.
func Seal(path string) (image *Image, sum string, sealed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", false, err
	}
	defer f.Close()
	if memory, err := sealedCopy(f); err == nil {
		defer memory.Close()
		f, sealed = memory, true
	}
	all := sha256.New()
	if _, err := io.Copy(all, io.NewSectionReader(f, 0, 1<<62)); err != nil { // what was sealed, not what was read
		return nil, "", false, fmt.Errorf("read %s: %w", path, err)
	}
	was, err := contentOf(int(f.Fd()))
	if err != nil {
		return nil, "", false, fmt.Errorf("pin %s: %w", path, err)
	}
	image, err = pin(f, path, was)
	return image, hex.EncodeToString(all.Sum(nil)), sealed, err
}

// sealedCopy returns a copy of f in memory. It may be executed if the file may.
func sealedCopy(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("plugin", flags|unix.MFD_EXEC)
	if err == unix.EINVAL { //nolint:errorlint // a system call's; the system is older than the flag
		fd, err = unix.MemfdCreate("plugin", flags)
	}
	if err != nil {
		return nil, err
	}
	memory := os.NewFile(uintptr(fd), f.Name())
	mode := os.FileMode(0o444) // also another user may be the one that runs it
	if info.Mode()&0o111 != 0 && !isNoExec(f) {
		mode = 0o555
	}
	if _, err = io.Copy(memory, f); err == nil {
		err = memory.Chmod(mode)
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		_ = memory.Close()
		return nil, err
	}
	return memory, nil
}

// isSealed reports whether nobody can change what f contains.
func isSealed(f *os.File) bool {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && seals&unix.F_SEAL_WRITE != 0
}

// isNoExec reports whether nothing of the file system of f may be executed.
func isNoExec(f *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
