package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
)

// An Image is an executable that is pinned: what is started is what was opened, also
// when the path has been replaced since.
type Image struct {
	Name string
	path string
	fd   int // 0: not pinned
	was  content
	text *os.File // of a sealed script: fd, which its interpreter inherits

	Said sync.Map // what a process that runs it has said of it, by the question

	of    content // of a copy: what it was made of
	users int     // of a copy
}

// copies are the copies that are in use: servers that open together share one.
var copies = struct {
	sync.Mutex
	all map[content]*Image
}{all: map[content]*Image{}}

// content tells one content of a file from others. The time alone does not: go build sets it also
// where there was nothing to build.
type content struct {
	device, inode uint64
	written       syscall.Timespec
	size          int64
	head          [4096]byte // where Go's linker puts the id of what it has linked
}

// goNote precedes that id, in a note of its own.
var goNote = []byte("\x04\x00\x00\x00Go\x00\x00")

func contentOf(fd int) (content, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return content{}, err
	}
	c := content{device: uint64(stat.Dev), inode: stat.Ino, written: stat.Mtim, size: stat.Size} //nolint:unconvert // 32 bits on some systems
	_, err := syscall.Pread(fd, c.head[:], 0)
	return c, err
}

// Changed says whether the content is another one than when the image was pinned: a file
// may be overwritten in place while nobody runs it.
func (i *Image) Changed() bool {
	var now syscall.Stat_t
	if i.fd == 0 || syscall.Fstat(i.fd, &now) == nil && now.Mtim == i.was.written {
		return false
	}
	is, err := contentOf(i.fd)
	return err != nil || is.size != i.was.size || is.head != i.was.head || !bytes.Contains(is.head[:], goNote)
}

// Pin opens the executable at path. A script stays a path, as its interpreter opens it, unless it is
// sealed.
func Pin(path string) (*Image, error) {
	return open(path, func(f *os.File, is content) (*Image, error) { return pin(f, path, is) })
}

// Path opens the image: for a script its own path, else that of the descriptor, as long as
// the image is open.
func (i *Image) Path() string { return i.path }

// PinCopy is Pin of a copy of the executable that nobody else can reach. What is started
// often starts faster from it: the system keeps a file that was written in one go in larger
// pieces than one that a linker has written here and there, and maps it with fewer faults.
// Where no copy can be made, or none can be run, it is Pin.
func PinCopy(path string) (*Image, error) {
	return open(path, func(f *os.File, is content) (*Image, error) {
		copies.Lock()
		defer copies.Unlock()
		if image := copies.all[is]; image != nil {
			image.users++
			return image, nil
		}
		copied := privateCopy(f)
		if copied == nil {
			return pin(f, path, is)
		}
		defer copied.Close()
		was, err := contentOf(int(copied.Fd()))
		if err != nil {
			return nil, fmt.Errorf("pin %s: %w", path, err)
		}
		image, err := pin(copied, path, was)
		if err == nil {
			image.of, image.users = is, 1
			copies.all[is] = image
		}
		return image, err
	})
}

// open opens path for pinned, unless it is a script.
func open(path string, pinned func(*os.File, content) (*Image, error)) (*Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	is, err := contentOf(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("pin %s: %w", path, err)
	}
	switch {
	case string(is.head[:2]) != "#!":
		return pinned(f, is)
	case !isSealed(f):
		return &Image{Name: path, path: path}, nil
	}
	image, err := pin(f, path, is)
	if err == nil {
		image.text = os.NewFile(uintptr(image.fd), path)
	}
	return image, err
}

func pin(f *os.File, name string, was content) (*Image, error) {
	// Well above the descriptors that a child gets: it may be opened again by number between
	// fork and exec, when those are in place already.
	var fd uintptr
	errno := syscall.EINVAL
	for above := uintptr(100); errno == syscall.EINVAL && above > 3; above /= 2 { // the limit may be that low
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_DUPFD_CLOEXEC, above)
	}
	if errno != 0 {
		return nil, fmt.Errorf("pin %s: %w", name, errno)
	}
	i := &Image{Name: name, path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), fd: int(fd), was: was}
	if !isAt(i.path, i.fd) { // what is there instead, if anything, is another process's
		return nil, errors.Join(fmt.Errorf("pin %s: %s is not its descriptor; mount the /proc of this process's own PID namespace", name, i.path), syscall.Close(i.fd))
	}
	return i, nil
}

// isAt reports whether the file of a descriptor is at path.
func isAt(path string, fd int) bool {
	var named, opened syscall.Stat_t
	return syscall.Stat(path, &named) == nil && syscall.Fstat(fd, &opened) == nil && named.Ino == opened.Ino && named.Dev == opened.Dev
}

// privateCopy returns an executable copy without a name, or nil.
func privateCopy(f *os.File) *os.File {
	if info, err := f.Stat(); err != nil || info.Mode()&0o111 == 0 {
		return nil // a copy could be run, and the file may not
	}
	const noExec = 8 // ST_NOEXEC
	dir := os.TempDir()
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) != nil || fs.Flags&noExec != 0 {
		return nil
	}
	// No process is forked while the copy is open for writing: until that process runs another
	// program it would have the copy open, too, and the system starts no such file.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.CreateTemp(dir, "socketserver-")
	if err != nil {
		return nil
	}
	defer to.Close()
	if os.Remove(to.Name()) != nil { // while it is empty and this user's alone: all may read it, but by the descriptor
		return nil
	}
	// Through memory: what the system copies by itself keeps the pieces as they are.
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if errors.Join(err, to.Chmod(0o555)) != nil {
		return nil
	}
	copied, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", to.Fd())) // not to, which would keep it from being run
	if err != nil {
		return nil
	}
	return copied
}

// start runs the image by its descriptor. By the name of this process: a name that the
// child looks up below its own entry in /proc stays cached there, and clearing that away
// makes reaping the child expensive. Where the system does not let a child look there, as
// for a program with capabilities, it is the child's own all the same. With named the path is
// used while it has the same file.
func (i *Image) start(args []string, attr *os.ProcAttr, named bool) (*os.Process, error) {
	own.RLock()
	defer own.RUnlock()
	path := i.path
	switch {
	case i.text != nil: // another user's interpreter may not look below this process
		inherited := *attr
		inherited.Files = append(slices.Clip(attr.Files), i.text)
		attr, path = &inherited, fmt.Sprintf("/proc/self/fd/%d", len(attr.Files))
	case named && isAt(i.Name, i.fd):
		path = i.Name
	}
	p, err := os.StartProcess(path, args, attr)
	if i.fd != 0 && i.text == nil && errors.Is(err, syscall.EACCES) {
		p, err = os.StartProcess(fmt.Sprintf("/proc/self/fd/%d", i.fd), args, attr)
	}
	if err == nil {
		own.pids.Store(p.Pid, true)
	}
	return p, err
}

// Self is the image of this process. It stays open; an error is not kept, as there may
// only be no descriptor left just now.
func Self() (*Image, error) {
	self.mu.Lock()
	defer self.mu.Unlock()
	if self.image != nil {
		return self.image, nil
	}
	image, err := Pin("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	if image.Name, err = os.Executable(); err != nil {
		image.Name = os.Args[0]
	}
	self.image = image
	return image, nil
}

var self struct {
	mu    sync.Mutex
	image *Image
}

// Close unpins the image, a copy when its last user has. Processes that run it go on.
func (i *Image) Close() error {
	if i.fd == 0 {
		return nil
	}
	copies.Lock()
	defer copies.Unlock()
	if i.users--; i.users > 0 {
		return nil
	}
	delete(copies.all, i.of)
	if i.text != nil {
		return i.text.Close()
	}
	return syscall.Close(i.fd)
}
