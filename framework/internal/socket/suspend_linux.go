package socket

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Suspend has the system refuse clients, for every process that serves the socket: those of tcp are
// refused, those of unix find no file, and datagrams are dropped. The address stays taken, and
// what was accepted goes on.
func (k *Kept) Suspend() error {
	k.suspending.Lock()
	defer k.suspending.Unlock()
	if k.suspended {
		return nil
	}
	err := k.refuse()
	k.suspended = err == nil
	return err
}

// Resume undoes Suspend.
func (k *Kept) Resume() error {
	k.suspending.Lock()
	defer k.suspending.Unlock()
	if !k.suspended {
		return nil
	}
	err := k.accept()
	k.suspended = err != nil
	return err
}

func (k *Kept) refuse() error {
	switch k.network {
	case "tcp":
		return k.control("shutdown", func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RD) })
	case "unix", "unixpacket": // one that was shut down refuses clients for ever
		return k.file.hide()
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
		return k.control("listen", func(fd int) error { return syscall.Listen(fd, backlog(k.options.RequestQueueSize)) })
	case "unix", "unixpacket":
		return k.file.show()
	}
	return k.control("setsockopt", func(fd int) error { return syscall.DetachLsf(fd) }) //nolint:staticcheck // as above
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
		listens, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		return err != nil || listens != 0
	})
}

// isSuspended reports whether err is that of accept on a socket that does not listen.
func isSuspended(err error) bool { return errors.Is(err, syscall.EINVAL) }

// hide takes the file of the socket away, so that no client finds it.
func (s *UnixFile) hide() error {
	if s == nil || s.file == nil {
		return errors.New("a Unix socket that has no file of this process cannot be suspended; stop the server")
	}
	return os.Rename(s.path, s.hidden())
}

// show undoes hide.
func (s *UnixFile) show() error {
	if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("there is another file at %s; remove it", s.path))
	}
	return os.Rename(s.hidden(), s.path)
}

// hidden is where the file is while it is hidden.
func (s *UnixFile) hidden() string { return s.path + ".suspended" }
