package rawsock

import (
	"syscall"
	"unsafe"
)

// maxName is the largest address of a Unix socket, in bytes. The system may report one more, a
// NUL that ends a path, and takes no more.
const maxName = uint32(unsafe.Sizeof(syscall.RawSockaddrUnix{}))

// A UnixSender is who has sent a datagram to a Unix socket.
type UnixSender struct {
	// Name is its sun_path as the system has it: an abstract one begins with a NUL and may hold others;
	// empty: the sender is not bound.
	Name string
	User uint32
	// Known reports whether User is: the system notes users from SO_PASSCRED on.
	Known bool
}

// nobody is the user that the system reports where it knows none, and then there is no process either.
const nobody = 65534

// credentials are a control message with room for no other, so that descriptors that a sender adds are dropped.
type credentials struct {
	syscall.Cmsghdr
	syscall.Ucred
}

// ReceiveFromUnix receives one datagram of a Unix socket that has arrived.
func ReceiveFromUnix(fd uintptr, p []byte) (n int, from UnixSender, err error) {
	var address syscall.RawSockaddrUnix
	var control credentials
	m, iov := message(p, nil)
	m.Iov = &iov
	m.Name, m.Namelen = (*byte)(unsafe.Pointer(&address)), maxName
	m.Control = (*byte)(unsafe.Pointer(&control))
	m.SetControllen(int(unsafe.Sizeof(control)))
	if n, err = receiveMessage(fd, &m); err != nil {
		return 0, from, err
	}
	path := (*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))
	from.Name = string(path[:max(min(m.Namelen, maxName), 2)-2])
	if m.Controllen >= syscall.SizeofCmsghdr && control.Level == syscall.SOL_SOCKET && control.Type == syscall.SCM_CREDENTIALS {
		from.User, from.Known = control.Uid, control.Pid != 0 || control.Uid != nobody
	}
	return n, from, nil
}

// SendToUnix sends p as one datagram to a name as that of a [UnixSender], or nothing.
func SendToUnix(fd uintptr, p []byte, name string) error {
	address := syscall.RawSockaddrUnix{Family: syscall.AF_UNIX}
	copy((*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))[:], name)
	_, err := send(fd, p, unsafe.Pointer(&address), uintptr(2+len(name)))
	return err
}
