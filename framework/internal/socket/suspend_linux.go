package socket

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Suspend has the system refuse clients, for every process that serves the socket: those of tcp are
// refused, those of unix find no file, and datagrams are dropped. The address stays taken, and
// what was accepted goes on. Whether they are refused is known to the system alone, as another process
// may have suspended the socket before this one had it; so this may be asked for again. Where another
// process owns the socket it stays as it is.
func (k *Kept) Suspend() error { return k.asOwner(k.refuse) }

// Resume undoes Suspend, whatever process has called that.
func (k *Kept) Resume() error { return k.asOwner(k.accept) }

func (k *Kept) asOwner(do func() error) error {
	k.owning.Lock()
	defer k.owning.Unlock()
	if k.theirs {
		return nil
	}
	return do()
}

func (k *Kept) refuse() error {
	switch k.network {
	case "tcp":
		return k.control("shutdown", func(fd int) error {
			if on, err := listens(fd); !on { // its connections would inherit a second shutdown
				return err
			}
			return syscall.Shutdown(fd, syscall.SHUT_RD)
		})
	case "unix", "unixpacket": // one that was shut down refuses clients for ever
		return k.file.hide(k.network)
	case "vsock":
		return errors.New("a socket of VSOCK cannot be suspended; stop the server")
	}
	const none = syscall.BPF_RET | syscall.BPF_K // of the bytes of a datagram
	return k.control("setsockopt", func(fd int) error {
		return syscall.AttachLsf(fd, []syscall.SockFilter{{Code: none}}) //nolint:staticcheck // all of BPF that is needed
	})
}

func (k *Kept) accept() error {
	switch k.network {
	case "tcp":
		return k.control("listen", func(fd int) error {
			if on, err := listens(fd); on || err != nil {
				return err
			}
			return syscall.Listen(fd, backlog(k.options.RequestQueueSize))
		})
	case "unix", "unixpacket":
		return k.file.show()
	case "vsock":
		return nil
	}
	return k.control("setsockopt", func(fd int) error {
		if err := syscall.DetachLsf(fd); !errors.Is(err, syscall.ENOENT) { //nolint:staticcheck // as above
			return err
		}
		return nil // there is no filter
	})
}

func (k *Kept) control(call string, do func(fd int) error) error {
	var failed error
	err := k.descriptor.Control(func(fd uintptr) { failed = os.NewSyscallError(call, do(int(fd))) })
	return errors.Join(err, failed)
}

// awaitListening waits until the socket listens, after it was suspended, or f is closed. A client
// that connects then wakes it.
func awaitListening(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		on, err := listens(int(fd))
		return err != nil || on
	})
}

// listens reports whether a socket listens, which one of tcp that is suspended does not.
func listens(fd int) (bool, error) {
	on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	return on != 0, err
}

// isSuspended reports whether err is that of accept on a socket that does not listen.
func isSuspended(err error) bool { return errors.Is(err, syscall.EINVAL) }

// hide takes the file of the socket away, so that no client finds it.
func (s *UnixFile) hide(network string) error {
	switch {
	case s == nil || s.file == nil:
		return errors.New("a Unix socket that has no file of this process cannot be suspended; stop the server")
	case s.at == s.hidden():
		return nil
	}
	if err := removeStale(network, s.hidden()); err != nil {
		return err
	}
	return s.move(s.hidden())
}

// show undoes hide.
func (s *UnixFile) show() error {
	if s == nil || s.file == nil || s.at == s.path {
		return nil
	}
	return s.move(s.path)
}

// move renames the file, and never replaces another one.
func (s *UnixFile) move(to string) error {
	return inDirectory(s.at, func(dir *os.Root, name string) error {
		if found, err := dir.Lstat(name); err != nil || !os.SameFile(found, s.file) {
			return fmt.Errorf("the file of the socket is not at %s any more; restart the server", s.at)
		}
		opened, err := dir.Open(".")
		if err != nil {
			return err
		}
		defer opened.Close()
		at := int(opened.Fd())
		err = unix.Renameat2(at, name, at, filepath.Base(to), unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // the file system has no such rename
			if err = dir.Link(name, filepath.Base(to)); err == nil {
				err = dir.Remove(name)
			}
		}
		switch {
		case errors.Is(err, os.ErrExist):
			return fmt.Errorf("there is another file at %s; remove it", to)
		case err != nil:
			return fmt.Errorf("rename %s to %s: %w", s.at, to, err)
		}
		s.at = to
		return nil
	})
}
