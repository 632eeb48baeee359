package socket

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// A network is how sockets of one are opened.
type network struct {
	listen  func(network, address string, o *Options) (net.Listener, error) // nil: it has datagrams
	packets func(address string, o *Options) (PacketConn, error)            // nil: it has connections
	path    bool                                                            // addresses are paths of Unix sockets
}

// networks are all that this package opens sockets of. What a network needs beside its row is in a
// file of its own.
var networks = map[string]network{
	"tcp":        {listen: listenTCP},
	"udp":        {packets: listenUDP},
	"unix":       {listen: listenUnix, path: true},
	"unixgram":   {packets: listenUnixgram, path: true},
	"unixpacket": {listen: listenUnix, path: true},
	"vsock":      {listen: listenVsock},
}

func errNoNetwork(name string) error {
	return fmt.Errorf("there is no network %q; use one of %s", name, strings.Join(slices.Sorted(maps.Keys(networks)), ", "))
}

// Listen opens a listener of the network tcp, at host:port, unix or unixpacket, at a path, or vsock, at
// CID:port.
func Listen(network, address string, o *Options) (net.Listener, error) {
	return networks[network].listen(network, address, o)
}

// ListenPacket opens a socket of the network udp, at host:port, or unixgram, at a path.
func ListenPacket(network, address string, o *Options) (PacketConn, error) {
	return networks[network].packets(address, o)
}

// fileListener returns a listener of a descriptor, which the caller closes. Its connections get the options.
func fileListener(network string, file *os.File, o conn.TCPOptions) (net.Listener, error) {
	if network != "vsock" {
		l, err := net.FileListener(file)
		if tcp, ok := l.(*net.TCPListener); ok {
			conn.StopLingering(tcp)
			return &inherited{tcp, o}, err
		}
		return l, err
	}
	d, err := handoff.Duplicate(file)
	if err != nil {
		return nil, err
	}
	return vsock.FileListener(d.File())
}

func listenVsock(_, address string, o *Options) (net.Listener, error) {
	at, err := vsock.ParseAddr(address)
	if err != nil {
		return nil, err
	}
	return vsock.Listen(at, backlog(o.RequestQueueSize))
}

// backlog returns the length of an accept queue; 0 means 128.
func backlog(size int) int {
	if size <= 0 {
		return 128
	}
	return size
}
