package rawsock

import (
	"encoding/binary"
	"net"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Addresses are said as package net says them, those of one link with their interface.
func TestAddrPort(t *testing.T) {
	loopback, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("needs the interface lo:", err)
	}
	local := [16]byte{0: 0xfe, 1: 0x80, 15: 1}
	raw := syscall.RawSockaddrInet6{Family: syscall.AF_INET6, Addr: local, Scope_id: uint32(loopback.Index)}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], 80)
	require.Equal(t, "[fe80::1%lo]:80", addrPort(&raw).String())
	require.Less(t, testing.AllocsPerRun(10, func() { addrPort(&raw) }), 5.0, "the system is asked once")
	raw.Scope_id = 1 << 30
	require.Equal(t, "[fe80::1%1073741824]:80", addrPort(&raw).String(), "an interface that has gone")
}
