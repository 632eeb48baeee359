package rawsock

import (
	"syscall"
	"unsafe"
)

// maxName is the largest address of a Unix socket, in bytes. The system may report one more, a
// NUL that ends a path, and takes no more.
const maxName = uint32(unsafe.Sizeof(syscall.RawSockaddrUnix{}))

// ReceiveFromUnix receives one datagram of a Unix socket that has arrived. name is the client's
// sun_path as the system has it: an abstract one begins with a NUL and may hold others; it is
// empty where the client is not bound.
func ReceiveFromUnix(fd uintptr, p []byte) (n int, name string, err error) {
	var address syscall.RawSockaddrUnix
	size := maxName
	n, err = receive(fd, p, 0, unsafe.Pointer(&address), &size)
	if err != nil {
		return 0, "", err
	}
	path := (*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))
	return n, string(path[:max(min(size, maxName), 2)-2]), nil
}

// SendToUnix sends p as one datagram to the name that ReceiveFromUnix returned, or nothing.
func SendToUnix(fd uintptr, p []byte, name string) error {
	address := syscall.RawSockaddrUnix{Family: syscall.AF_UNIX}
	copy((*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))[:], name)
	_, err := send(fd, p, unsafe.Pointer(&address), uintptr(2+len(name)))
	return err
}
