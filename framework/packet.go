package framework

import (
	"fmt"
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/socket"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

// defaultMaxPacketSize is socketserver's max_packet_size, in bytes.
const defaultMaxPacketSize = 8192

// UDPServer serves datagrams of UDP. The fields are set before it listens.
//
// On Linux (not on 386 and s390x) an answer comes from the address that was asked, also where
// the server listens at a wildcard; elsewhere the system chooses one.
type UDPServer struct {
	BaseServer
	Address string // host:port; port 0 takes a free one
	SocketOptions
}

// NewUDPServer makes a server of address that does not listen yet.
func NewUDPServer(address string, class *HandlerClass) *UDPServer {
	s := &UDPServer{Address: address}
	s.Class = class
	s.Transport = newPacketTransport("udp", &s.SocketOptions, s.listen)
	return s
}

func (s *UDPServer) listen() (socket.PacketConn, error) {
	return socket.ListenPacket("udp", s.Address, (*socket.Options)(&s.SocketOptions))
}

// UnixDatagramServer serves datagrams of a Unix socket. A client that has not bound an
// address of its own cannot be answered.
type UnixDatagramServer struct {
	BaseServer
	Path string // of the socket; one that begins with @ is abstract
	SocketOptions
}

// NewUnixDatagramServer makes a server of path that does not listen yet.
func NewUnixDatagramServer(path string, class *HandlerClass) *UnixDatagramServer {
	s := &UnixDatagramServer{Path: path}
	s.Class = class
	s.Transport = newPacketTransport("unixgram", &s.SocketOptions, s.listen)
	return s
}

func (s *UnixDatagramServer) listen() (socket.PacketConn, error) {
	return socket.ListenPacket("unixgram", s.Path, (*socket.Options)(&s.SocketOptions))
}

// PacketConn returns the transport of a packet connection that is open already; its server
// closes it. network is any name. A class that serves udp or unixgram serves it, unless its
// Networks lists other names.
func PacketConn(network string, c net.PacketConn) Transport {
	return newPacketTransport(network, &SocketOptions{}, func() (socket.PacketConn, error) { return socket.NewPacketConn(c) })
}

// packetTransport receives datagrams.
type packetTransport struct {
	socket.Packets
	network string
	options *SocketOptions
	listen  func() (socket.PacketConn, error)
	server  *BaseServer // for its log and limits; nil: not known yet
	long    ratelog.Limiter
	refused ratelog.Limiter
}

func newPacketTransport(network string, o *SocketOptions, listen func() (socket.PacketConn, error)) *packetTransport {
	t := &packetTransport{network: network, options: o, listen: listen}
	t.TooLong, t.MayAnswer = t.logTooLong, t.mayAnswer
	return t
}

func (t *packetTransport) Network() string        { return t.network }
func (*packetTransport) isPacket() bool           { return true }
func (t *packetTransport) servedBy(s *BaseServer) { t.server = s }

func (t *packetTransport) maxPacketSize() int {
	if t.options.MaxPacketSize == 0 {
		return defaultMaxPacketSize
	}
	return t.options.MaxPacketSize
}

func (t *packetTransport) Open() error {
	c, err := t.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	t.Use(c, t.maxPacketSize())
	return nil
}

func (t *packetTransport) GetRequest() (*Request, error) {
	r := &datagramRequest{}
	client, local, err := t.Receive(&r.datagram)
	if err != nil {
		return nil, err
	}
	r.ClientAddress, r.LocalAddress, r.Network, r.packet = client, local, t.network, &r.datagram
	return &r.Request, nil
}

func (t *packetTransport) logTooLong(client net.Addr) {
	if more, ok := t.long.Allow(1); ok {
		t.server.log().Warn("datagram dropped: it is longer than max_packet_size", ratelog.More(more,
			"client", conn.AddressText(client), "max_packet_size", t.maxPacketSize(), "next", "raise max_packet_size")...)
	}
}

// mayAnswer reports whether d may be answered with n bytes. A source that is no client is not
// answered, as two servers would answer each other for ever: one of this process, or a port that
// belongs to a service of another machine.
func (t *packetTransport) mayAnswer(d *conn.Datagram, n int) bool {
	if udp, ok := d.Client.(*net.UDPAddr); ok {
		from := udp.AddrPort()
		switch {
		case socket.IsLocal(from):
			t.logNotAnswered(d, "it comes from a socket of this server")
			return false
		case from.Port() < 1024 && (from.Port() == 0 || !from.Addr().Unmap().IsLoopback()):
			t.logNotAnswered(d, "its port is below 1024, and no client's")
			return false
		}
	}
	in, _ := d.Bytes()
	return t.server.Limits.admitAnswer(t.server, d.Client, n-int(in))
}

func (t *packetTransport) logNotAnswered(d *conn.Datagram, why string) {
	if more, ok := t.refused.Allow(1); ok {
		t.server.log().Warn("datagram not answered: "+why, ratelog.More(more, "client", conn.AddressText(d.Client))...)
	}
}

func (t *packetTransport) describe(o *sharedSocket) {
	o.SocketOptions, o.Packets = *t.options, true
	o.MaxPacketSize, o.Local = t.maxPacketSize(), socket.Local()
}
