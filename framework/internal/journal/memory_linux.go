package journal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// New makes a journal. The file is for the process that writes, which calls [Open] with it; the
// caller closes it. It cannot be made smaller, which would kill who reads. The reader is asleep.
func New() (*Reader, *os.File, error) {
	const name, flags = "socketserver journal", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// A system may demand MFD_NOEXEC_SEAL (vm.memfd_noexec), which one before Linux 6.3 does not know.
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { //nolint:errorlint // a system call's
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("make journal: %w", err)
	}
	f := os.NewFile(uintptr(fd), "journal")
	err = f.Truncate(header + capacity)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	var m memory
	if err == nil {
		m, err = mapped(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("make journal: %w", err)
	}
	m.positions().asleep.Store(1)
	return &Reader{memory: m}, f, nil
}

// Open opens the journal that this process writes, and closes f.
func Open(f *os.File) (*Writer, error) {
	defer f.Close()
	m, err := mapped(f)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &Writer{memory: m}, nil
}

func mapped(f *os.File) (memory, error) {
	return unix.Mmap(int(f.Fd()), 0, header+capacity, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Close releases the memory.
func (r *Reader) Close() error { return unix.Munmap(r.memory) }
