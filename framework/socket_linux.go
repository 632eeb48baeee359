package framework

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
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

// probesAreInherited says that connections get the options of their listener, where setting
// them once saves four system calls for each.
const probesAreInherited = true

func setProbes(fd int, c net.KeepAliveConfig) error {
	if !c.Enable {
		return nil
	}
	const level = syscall.IPPROTO_TCP
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
		syscall.SetsockoptInt(fd, level, syscall.TCP_KEEPIDLE, seconds(c.Idle)),
		syscall.SetsockoptInt(fd, level, syscall.TCP_KEEPINTVL, seconds(c.Interval)),
		syscall.SetsockoptInt(fd, level, syscall.TCP_KEEPCNT, c.Count),
	)
}

// seconds are rounded up, as Go rounds them.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

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

func shutdownWrite(fd uintptr) error {
	return os.NewSyscallError("shutdown", syscall.Shutdown(int(fd), syscall.SHUT_WR))
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
		_, _, _ = syscall.RawSyscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	})
	return n > 0
}
