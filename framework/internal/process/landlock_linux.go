package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayWrite = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	// ofFiles are the rights to what is no directory.
	ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// rights are those that each version of Landlock refuses unless a rule grants them, and what it means that
// an earlier one does not.
var rights = []struct {
	version int
	fs, net uint64
	gap     string
}{
	{1, 1<<13 - 1, 0, "it may open any file"},
	{2, unix.LANDLOCK_ACCESS_FS_REFER, 0, ""}, // always refused before
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE, 0, "it may truncate files that it may not write"},
	{4, 0, unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, "it may use TCP"},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV, 0, "it may control devices that it may open"},
}

// devices may always be opened. What is read of the null device, and written to it, is nothing.
var devices = []string{"/dev/urandom", "/dev/random", "/dev/zero"}

// landlockVersion returns the version that the system has; 0: it has none.
func landlockVersion() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(version)
}

// Enforceable returns the version of Landlock of this system, 0 where it has none, and what of s cannot
// be enforced with it.
func (s *Sandbox) Enforceable() (version int, gaps []string) {
	version = landlockVersion()
	for _, r := range rights {
		if r.version > version && r.gap != "" && (r.net == 0 || !s.Network) {
			gaps = append(gaps, r.gap)
		}
	}
	for _, path := range slices.Concat(s.Read, s.Write) {
		if _, err := os.Stat(path); err != nil {
			gaps = append(gaps, fmt.Sprintf("%s: %v", path, errors.Unwrap(err)))
		}
	}
	return version, gaps
}

// rules returns what lets a process have s and image, and nothing else; nil: this system cannot.
func (s *Sandbox) rules(image *Image) (*os.File, error) {
	version, gaps := s.Enforceable()
	if s.Required && len(gaps) > 0 {
		return nil, fmt.Errorf("the sandbox is required, and cannot be enforced here: %v", gaps)
	}
	if version == 0 {
		return nil, nil
	}
	var attr unix.LandlockRulesetAttr
	for _, r := range rights {
		if r.version > version {
			break
		}
		attr.Handled_access_fs |= r.fs
		if !s.Network {
			attr.Handled_access_net |= r.net
		}
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return nil, fmt.Errorf("make sandbox: %w", errno)
	}
	rules := ruleset{int(fd), attr.Handled_access_fs}
	program := image.Name
	if image.fd != 0 {
		program = fmt.Sprintf("/proc/self/fd/%d", image.fd)
	}
	err := errors.Join(rules.allow(mayRead, program), rules.allow(mayRead, devices...), rules.allow(mayWrite, os.DevNull),
		rules.allow(mayRead, s.Read...), rules.allow(mayWrite, s.Write...))
	if err != nil {
		return nil, errors.Join(err, unix.Close(rules.fd))
	}
	return os.NewFile(fd, "sandbox"), nil
}

// enterSandbox confines the calling thread, and what it starts, to rules, for good. no_new_privs is set.
func enterSandbox(rules *os.File) error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, rules.Fd(), 0, 0); errno != 0 {
		return fmt.Errorf("enter sandbox: %w", errno)
	}
	return nil
}

// A ruleset is a sandbox that is being made.
type ruleset struct {
	fd      int
	handled uint64 // rights that it refuses where no rule grants them
}

// allow grants the rights to files and directories. There is no need to grant any to what is not there.
func (r ruleset) allow(rights uint64, paths ...string) error {
	for _, path := range paths {
		at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		var stat unix.Stat_t
		if err = cmp.Or(err, unix.Fstat(at, &stat)); err == nil {
			err = r.grant(rights, at, stat.Mode&unix.S_IFMT == unix.S_IFDIR)
		}
		_ = unix.Close(at)
		if err != nil {
			return fmt.Errorf("let a sandbox have %s: %w", path, err)
		}
	}
	return nil
}

func (r ruleset) grant(rights uint64, at int, directory bool) error {
	if !directory {
		rights &= ofFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & r.handled, Parent_fd: int32(at)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 && errno != unix.EBADFD { // what is no file of a file system, as a memfd, is always open
		return errno
	}
	return nil
}
