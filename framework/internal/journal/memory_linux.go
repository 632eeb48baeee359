package journal

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// sysMemfdCreate is memfd_create(2), which package syscall does not name.
var sysMemfdCreate = map[string]uintptr{
	"386": 356, "amd64": 319, "arm": 385, "arm64": 279, "loong64": 279, "mips": 4354, "mipsle": 4354, "mips64": 5314,
	"mips64le": 5314, "ppc64": 360, "ppc64le": 360, "riscv64": 279, "s390x": 350,
}[runtime.GOARCH]

// New makes a journal. The file is for the process that writes, which calls [Open] with it; the
// caller closes it. It cannot be made smaller, which would kill who reads. The reader is asleep.
func New() (*Reader, *os.File, error) {
	const cloexec, allowSealing, noExec = 1, 2, 8
	const addSeals, sealShrink, sealGrow, sealSeal = 1033, 2, 4, 1
	name := []byte("socketserver journal\x00")
	// A system may demand noExec (vm.memfd_noexec), which one before Linux 6.3 does not know.
	fd, _, errno := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name[0])), cloexec|allowSealing|noExec, 0)
	if errno == syscall.EINVAL {
		fd, _, errno = syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name[0])), cloexec|allowSealing, 0)
	}
	if errno != 0 {
		return nil, nil, fmt.Errorf("make journal: %w", errno)
	}
	f := os.NewFile(fd, "journal")
	err := syscall.Ftruncate(int(fd), header+capacity)
	if err == nil {
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, addSeals, sealShrink|sealGrow|sealSeal); errno != 0 {
			err = errno
		}
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
	return syscall.Mmap(int(f.Fd()), 0, header+capacity, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

// Close releases the memory.
func (r *Reader) Close() error { return syscall.Munmap(r.memory) }
