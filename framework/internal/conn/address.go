package conn

import (
	"net"
	"net/netip"
	"strings"

	"github.com/go-socketserver/socketserver/internal/text"
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
func ParseAddress(network, name string) net.Addr {
	if network == "vsock" {
		if at, err := vsock.ParseAddr(name); err == nil {
			return at
		}
	}
	at, err := netip.ParseAddrPort(name)
	switch {
	case err != nil || strings.HasPrefix(network, "unix"):
		return &net.UnixAddr{Net: network, Name: name}
	case network == "udp":
		return net.UDPAddrFromAddrPort(at)
	}
	return net.TCPAddrFromAddrPort(at)
}

// Environment returns what a program has of the addresses of its client in its environment, by the names of
// CGI and systemd and by those of UCSPI. What a Unix socket is called, which may be anything, is without control
// characters there.
func Environment(client, local net.Addr) []string {
	protocol := "UNIX"
	switch client.(type) {
	case *net.TCPAddr:
		protocol = "TCP"
	case *net.UDPAddr:
		protocol = "UDP"
	}
	remote, remotePort := splitAddress(client)
	own, ownPort := splitAddress(local)
	return []string{
		"PROTO=" + protocol, "REMOTE_ADDR=" + remote, "REMOTE_PORT=" + remotePort,
		protocol + "REMOTEIP=" + remote, protocol + "REMOTEPORT=" + remotePort,
		protocol + "LOCALIP=" + own, protocol + "LOCALPORT=" + ownPort,
	}
}

// splitAddress returns the host and port of an address, or all of it where it has no port. The name of a Unix socket,
// which may look like a host and port, has none.
func splitAddress(a net.Addr) (host, port string) {
	name := text.Line(AddressText(a))
	if _, ok := a.(*net.UnixAddr); ok {
		if name == "@" { // it has no name
			name = ""
		}
		return name, ""
	}
	if host, port, err := net.SplitHostPort(name); err == nil {
		return host, port
	}
	return name, ""
}
