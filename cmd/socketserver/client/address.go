package client

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-socketserver/socketserver/internal/vsock"
)

// An Address is the address of a server.
type Address struct {
	Network string // one of Networks
	Host    string // host:port, CID:port of vsock, or the path of a socket; one that begins with @ has no file
	Path    string // of ws and wss, from its first / on, with its query
}

// Networks are those of addresses.
var Networks = []string{"tcp", "udp", "unix", "unixpacket", "unixgram", "vsock", "tls", "ws", "wss"}

// ParseAddress reads a URL, such as tcp://localhost:9000 or unix:///run/server.sock.
func ParseAddress(address string) (Address, error) {
	network, host, ok := strings.Cut(address, "://")
	a := Address{Network: network, Host: host}
	if a.isWebSocket() {
		host, a.Path, _ = strings.Cut(host, "/")
		a.Host, a.Path = host, "/"+a.Path
	}
	switch {
	case !ok:
		return a, fmt.Errorf("address %q is not a URL; write it as in tcp://localhost:21567 or unix:///run/server.sock", address)
	case !slices.Contains(Networks, network):
		return a, fmt.Errorf("address %q: there is no %q; there are %s", address, network, strings.Join(Networks, ", "))
	case host == "" || host == "@":
		return a, fmt.Errorf("address %q says nothing after %s://; write it as in tcp://localhost:21567 or unix:///run/server.sock", address, network)
	case a.isUnix():
		return a, nil
	case network == "vsock":
		if _, err := vsock.ParseAddr(host); err != nil {
			return a, fmt.Errorf("address %q: %w; write it as in vsock://host:9000 or vsock://3:9000", address, err)
		}
		return a, nil
	}
	if a.isWebSocket() {
		if _, err := url.ParseRequestURI(a.Path); err != nil {
			return a, fmt.Errorf("address %q: its path is malformed; write %% as %%25", address)
		}
	}
	host, port, err := net.SplitHostPort(host)
	if err != nil {
		return a, fmt.Errorf("address %q has no port, or an IPv6 address without brackets; write it as in %s://localhost:21567 or %s://[::1]:21567", address, network, network)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return a, fmt.Errorf("address %q: %q is no port; write a number from 1 to 65535", address, port)
	}
	if host == "" {
		a.Host = "localhost:" + port
	}
	return a, nil
}

func (a Address) String() string { return a.Network + "://" + a.Host + a.Path }

func (a Address) isUnix() bool { return strings.HasPrefix(a.Network, "unix") }

func (a Address) isWebSocket() bool { return a.Network == "ws" || a.Network == "wss" }

// IsSecure reports whether connections have TLS.
func (a Address) IsSecure() bool { return a.Network == "tls" || a.Network == "wss" }

// datagrams reports whether the network has no connections, and so no end of them.
func (a Address) datagrams() bool { return a.Network == "udp" || a.Network == "unixgram" }
