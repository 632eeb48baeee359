//go:build !386 && !s390x

package framework

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// A socket at a wildcard address is asked at any. Its answer comes from there too, as a client
// that has connected its own socket takes no other: the system tells the address with each
// datagram, and is told it with the answer, see ip(7) and ipv6(7).

const controlSize = 128 // more than such a message takes, in bytes

// tellAddress has the system tell with each datagram what address it was sent to.
func tellAddress(fd int) error {
	domain, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	level, option := syscall.IPPROTO_IP, syscall.IP_PKTINFO
	if domain == syscall.AF_INET6 { // for clients of IPv4 too
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO
	}
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(fd, level, option, 1))
}

func (c *udpConn) receiveAsked(r *datagramRequest, buf []byte) (int, error) {
	n, controlled, _, from, err := c.ReadMsgUDPAddrPort(buf, c.control)
	if err != nil {
		return 0, err
	}
	r.setClient(from)
	at, control := askedAt(c.control[:controlled])
	if at.IsValid() {
		port := uint16(c.LocalAddr().(*net.UDPAddr).Port)
		r.LocalAddress, r.control = net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, port)), control
	}
	return n, nil
}

// askedAt is the address that a datagram was sent to, and what an answer is sent with to come
// from there: the same message, but by way of whatever interface leads to the client. A group
// can not answer.
func askedAt(control []byte) (at netip.Addr, answer []byte) {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return at, nil
	}
	var index []byte
	switch m, data := messages[0].Header, messages[0].Data; {
	case m.Level == syscall.IPPROTO_IP && m.Type == syscall.IP_PKTINFO && len(data) >= syscall.SizeofInet4Pktinfo:
		index = data[:4]
		at, _ = netip.AddrFromSlice(data[4:8]) // as an answer has it, also where all of a network were asked
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
