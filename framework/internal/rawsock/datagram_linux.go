package rawsock

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// ReceiveFrom receives one datagram of UDP that has arrived. What does not fit into p is lost.
func ReceiveFrom(fd uintptr, p []byte) (n int, from netip.AddrPort, err error) {
	var address syscall.RawSockaddrInet6 // has room for that of IPv4
	size := uint32(unsafe.Sizeof(address))
	n, err = receive(fd, p, 0, unsafe.Pointer(&address), &size)
	if err != nil {
		return 0, from, err
	}
	return n, addrPort(&address), nil
}

func addrPort(raw *syscall.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:])
	if raw.Family == syscall.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(raw)).Addr), port)
	}
	ip := netip.AddrFrom16(raw.Addr)
	if raw.Scope_id != 0 {
		ip = ip.WithZone(zone(int(raw.Scope_id)))
	}
	return netip.AddrPortFrom(ip, port)
}

// zones are the names of interfaces by their index. To ask the system for one takes as long as a
// hundred datagrams, where there are many.
var zones sync.Map

type zoneName struct {
	name  string
	until time.Time
}

// zone is the name of an interface, as package net says it and as long as that believes it.
func zone(index int) string {
	if known, ok := zones.Load(index); ok && time.Now().Before(known.(zoneName).until) {
		return known.(zoneName).name
	}
	name := strconv.Itoa(index)
	if i, err := net.InterfaceByIndex(index); err == nil {
		name = i.Name
	}
	zones.Store(index, zoneName{name, time.Now().Add(time.Minute)})
	return name
}

// SendTo sends p as one datagram of UDP, or nothing. It does not send to an address that
// has a zone.
func SendTo(fd uintptr, p []byte, to netip.AddrPort) error {
	var address syscall.RawSockaddrInet6
	size := unsafe.Sizeof(address)
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&address.Port))[:], to.Port())
	switch ip := to.Addr(); {
	case ip.Is4():
		size = unsafe.Sizeof(syscall.RawSockaddrInet4{})
		address.Family = syscall.AF_INET
		(*syscall.RawSockaddrInet4)(unsafe.Pointer(&address)).Addr = ip.As4()
	case ip.Zone() != "":
		return syscall.EAFNOSUPPORT
	default:
		address.Family, address.Addr = syscall.AF_INET6, ip.As16()
	}
	_, err := send(fd, p, unsafe.Pointer(&address), size)
	return err
}
