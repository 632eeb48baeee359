package framework

import (
	"net"
	"syscall"
	"unsafe"
)

const soReusePort = 0xf // SO_REUSEPORT, which package syscall does not name

// setReuse runs between socket(2) and bind(2), after Go has set its own defaults.
func setReuse(fd int, address, port bool) error {
	flag := 0
	if address {
		flag = 1
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, flag); err != nil {
		return err
	}
	if !port {
		return nil
	}
	return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1)
}

// setQueue sets the length of l's queue. Go always asks for the system's maximum;
// listen(2) may be called again and then changes it.
func setQueue(l net.Listener, size int) net.Listener {
	if size <= 0 {
		size = 128
	}
	if raw, err := l.(syscall.Conn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.Listen(int(fd), size) })
	}
	return l
}

// hasUnread says whether the system holds bytes of conn that nobody has read.
func hasUnread(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var n int32
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return n > 0
}
