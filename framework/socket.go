package framework

import (
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// A Socket is an open listening or datagram socket. It outlives the servers that serve it:
// each has a transport of its own, and two may serve at once, so that one can start before the
// other one retires and no client finds the address closed.
type Socket struct {
	network string
	options SocketOptions
	kept    *socket.Kept
}

// OpenSocket opens a socket of the network tcp, unix, udp or unixgram. address is a path for
// unix and unixgram.
func OpenSocket(network, address string, o SocketOptions) (*Socket, error) {
	kept, err := socket.Keep(network, address, socket.Options(o))
	if err != nil {
		return nil, err
	}
	return &Socket{network, o, kept}, nil
}

// Addr returns the address of the socket, with the real port.
func (k *Socket) Addr() net.Addr { return k.kept.Addr() }

// Transport returns a transport for one server. Outside Linux there is only one.
func (k *Socket) Transport() Transport {
	if k.network == "udp" || k.network == "unixgram" {
		return newPacketTransport(k.network, &k.options, k.kept.Packets)
	}
	return &streamTransport{network: k.network, options: &k.options, listen: k.kept.Listener}
}

// Close frees the address when the last server has closed, and removes the file of a Unix
// socket at once.
func (k *Socket) Close() error { return k.kept.Close() }
