package conn

import (
	"net"
	"net/netip"
	"strings"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

// AddressText returns an address as text, empty for nil.
func AddressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// ParseAddress is the inverse of AddressText. What is no address and port is the name of a
// Unix socket.
func ParseAddress(network, text string) net.Addr {
	if network == "vsock" {
		if at, err := vsock.ParseAddr(text); err == nil {
			return at
		}
	}
	at, err := netip.ParseAddrPort(text)
	switch {
	case err != nil || strings.HasPrefix(network, "unix"):
		return &net.UnixAddr{Net: network, Name: text}
	case network == "udp":
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}
