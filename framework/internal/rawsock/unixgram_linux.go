//go:build !386 && !s390x

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
	for {
		received, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags,
			uintptr(unsafe.Pointer(&address)), uintptr(unsafe.Pointer(&size)))
		switch errno {
		case 0:
			path := (*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))
			return int(received), string(path[:max(min(size, maxName), 2)-2]), nil
		case syscall.EINTR:
		default:
			return 0, "", errno
		}
	}
}

// SendToUnix sends p as one datagram to the name that ReceiveFromUnix returned, or nothing.
func SendToUnix(fd uintptr, p []byte, name string) error {
	address := syscall.RawSockaddrUnix{Family: syscall.AF_UNIX}
	copy((*[len(address.Path)]byte)(unsafe.Pointer(&address.Path))[:], name)
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags,
		uintptr(unsafe.Pointer(&address)), uintptr(2+len(name)))
	if errno != 0 {
		return errno
	}
	return nil
}
