package socket

import (
	"errors"
	"net"
	"syscall"
	"time"
)

const soReusePort = 0xf // SO_REUSEPORT, which package syscall does not name

// setReuse runs between socket(2) and bind(2), after package net has set its defaults.
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

// probesAreInherited reports whether connections inherit the keep-alive options of their
// listener, which saves four system calls for each.
const probesAreInherited = true

// setProbes sets keep-alive options.
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

// seconds rounds up, as package net does.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// setBacklog sets the length of l's accept queue. Package net asks for the system's maximum;
// listen(2) may be called again and then changes it. A socket that does not listen is suspended, and stays so.
func setBacklog(l net.Listener, size int) net.Listener {
	if raw, err := l.(syscall.Conn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			if on, _ := listens(int(fd)); on {
				_ = syscall.Listen(int(fd), backlog(size))
			}
		})
	}
	return l
}
