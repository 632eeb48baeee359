package socket

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A socket at a wildcard address receives for every address. Its answer has to come from the
// address that was asked, as a client with a connected socket takes no other. The kernel
// passes that address in a control message and takes it back with the answer, see ip(7) and
// ipv6(7).

const controlSize = 128 // bytes; more than such a message takes

// setPktinfo asks for the control message.
func setPktinfo(fd int) error {
	domain, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	level, option := syscall.IPPROTO_IP, syscall.IP_PKTINFO
	if domain == syscall.AF_INET6 { // also for IPv4 clients
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO
	}
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, level, option, 1))
}

func (u *udp) receivePktinfo(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	n, controlled, _, from, err := u.ReadMsgUDPAddrPort(buf, u.control)
	if err != nil {
		return 0, nil, nil, err
	}
	at, control := destination(u.control[:controlled])
	if at.IsValid() {
		port := uint16(u.LocalAddr().(*net.UDPAddr).Port)
		local, d.Control = net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, port)), control
	}
	return n, d.SetClient(from), local, nil
}

// destination returns the address that a datagram was sent to, and the control message that
// sends an answer from there by whatever interface leads to the client. A multicast address
// cannot answer.
func destination(control []byte) (at netip.Addr, answer []byte) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return at, nil
	}
	var index []byte
	switch m, data := messages[0].Header, messages[0].Data; {
	case m.Level == syscall.IPPROTO_IP && m.Type == syscall.IP_PKTINFO && len(data) >= syscall.SizeofInet4Pktinfo:
		index = data[:4]
		at, _ = netip.AddrFromSlice(data[4:8]) // ours, also where a broadcast address was asked
	case m.Level == syscall.IPPROTO_IPV6 && m.Type == syscall.IPV6_PKTINFO && len(data) >= syscall.SizeofInet6Pktinfo:
		index = data[16:20]
		at, _ = netip.AddrFromSlice(data[:16])
		at = at.Unmap()
	}
	if !at.IsValid() || at.IsMulticast() {
		return netip.Addr{}, nil
	}
	clear(index)
	return at, bytes.Clone(control)
}
