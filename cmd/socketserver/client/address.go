package client

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// An Address is the address of a server.
type Address struct {
	Network string // tcp, udp, unix, unixgram or tls
	Host    string // host:port, or the path of a socket; one that begins with @ has no file
}

// Networks are those of addresses.
var Networks = []string{"tcp", "udp", "unix", "unixgram", "tls"}

// ParseAddress reads a URL, such as tcp://localhost:9000 or unix:///run/server.sock.
func ParseAddress(url string) (Address, error) {
	network, host, ok := strings.Cut(url, "://")
	a := Address{network, host}
	switch {
	case !ok:
		return a, fmt.Errorf("address %q is not a URL; write it as in tcp://localhost:21567 or unix:///run/server.sock", url)
	case !slices.Contains(Networks, network):
		return a, fmt.Errorf("address %q: there is no %q; there are %s", url, network, strings.Join(Networks, ", "))
	case host == "" || host == "@":
		return a, fmt.Errorf("address %q says nothing after %s://; write it as in tcp://localhost:21567 or unix:///run/server.sock", url, network)
	case a.isUnix():
		return a, nil
	}
	host, port, err := net.SplitHostPort(host)
	if err != nil {
		return a, fmt.Errorf("address %q has no port, or an IPv6 address without brackets; write it as in %s://localhost:21567 or %s://[::1]:21567", url, network, network)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return a, fmt.Errorf("address %q: %q is no port; write a number from 1 to 65535", url, port)
	}
	if host == "" {
		a.Host = "localhost:" + port
	}
	return a, nil
}

func (a Address) String() string { return a.Network + "://" + a.Host }

func (a Address) isUnix() bool { return a.Network == "unix" || a.Network == "unixgram" }

// datagrams reports whether the network has no connections, and so no end of them.
func (a Address) datagrams() bool { return a.Network == "udp" || a.Network == "unixgram" }
