package systemd

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets returns the sockets that systemd has passed to this process (LISTEN_FDS, LISTEN_PID,
// LISTEN_FDNAMES), once. The caller closes their files.
func Sockets() ([]Socket, error) {
	var all []Socket
	for _, f := range activation.Files(true) {
		s, err := describe(f)
		if err != nil {
			return nil, fmt.Errorf("descriptor %d, which systemd has passed as %q: %w", f.Fd(), f.Name(), err)
		}
		all = append(all, s)
	}
	return all, nil
}

func describe(f *os.File) (s Socket, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return s, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { s, failed = describeDescriptor(int(fd)) })
	s.Name, s.File = f.Name(), f
	if err == nil {
		err = failed
	}
	return s, err
}

func describeDescriptor(fd int) (s Socket, err error) {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return s, os.NewSyscallError("getsockopt", err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		return s, os.NewSyscallError("getsockname", err)
	}
	networks := map[int]string{syscall.SOCK_STREAM: "tcp", syscall.SOCK_DGRAM: "udp"}
	switch a := address.(type) {
	case *syscall.SockaddrInet4:
		s.Address = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *syscall.SockaddrInet6:
		s.Address = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
		only6, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY)
		s.BothFamilies = err == nil && only6 == 0 && netip.AddrFrom16(a.Addr).IsUnspecified()
	case *syscall.SockaddrUnix:
		s.Address = a.Name
		networks = map[int]string{syscall.SOCK_STREAM: "unix", syscall.SOCK_SEQPACKET: "unixpacket", syscall.SOCK_DGRAM: "unixgram"}
	}
	if s.Network = networks[kind]; s.Network == "" || s.Address == "" {
		return s, fmt.Errorf("it is no socket of TCP, UDP or Unix; remove its Listen line from the socket unit")
	}
	return s, nil
}
