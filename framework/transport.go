package framework

import (
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// A Transport is where requests come from. [Listener] and [PacketConn] adapt what package net has.
type Transport interface {
	// Network is tcp, udp, unix, unixpacket, unixgram, vsock or a name of the transport's own.
	Network() string
	// Open makes the transport ready, so that clients can reach it.
	Open() error
	// Addr is where clients reach it; nil while it is not open.
	Addr() net.Addr
	// GetRequest waits for the next request. Its error wraps [net.ErrClosed] once the transport is
	// closed; after other errors it is called again.
	GetRequest() (*Request, error)
	// SetDeadline bounds GetRequest, which returns [os.ErrDeadlineExceeded] then; zero: no bound.
	SetDeadline(t time.Time) error
	// Close makes GetRequest return and frees the address. Requests that it has returned go on.
	Close() error
}

// TCPServer serves connections of TCP. The fields are set before it listens.
type TCPServer struct {
	BaseServer
	Address string // host:port; port 0 takes a free one
	SocketOptions
}

// NewTCPServer makes a server of address that does not listen yet.
func NewTCPServer(address string, class *HandlerClass) *TCPServer {
	s := &TCPServer{Address: address}
	s.Class, s.Transport = class, streamTransport{socket.ListenStream("tcp", &s.Address, (*socket.Options)(&s.SocketOptions))}
	return s
}

// UnixStreamServer serves connections of a Unix socket.
type UnixStreamServer struct {
	BaseServer
	Path string // of the socket; one that begins with @ is abstract
	SocketOptions
}

// NewUnixStreamServer makes a server of path that does not listen yet.
func NewUnixStreamServer(path string, class *HandlerClass) *UnixStreamServer {
	s := &UnixStreamServer{Path: path}
	s.Class, s.Transport = class, streamTransport{socket.ListenStream("unix", &s.Path, (*socket.Options)(&s.SocketOptions))}
	return s
}

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
	s.Class, s.Transport = class, packetTransport{socket.ListenPackets("udp", &s.Address, (*socket.Options)(&s.SocketOptions))}
	return s
}

// UnixDatagramServer serves datagrams of a Unix socket. A client without an address gets no answer.
type UnixDatagramServer struct {
	BaseServer
	Path string // of the socket; one that begins with @ is abstract
	SocketOptions
}

// NewUnixDatagramServer makes a server of path that does not listen yet.
func NewUnixDatagramServer(path string, class *HandlerClass) *UnixDatagramServer {
	s := &UnixDatagramServer{Path: path}
	s.Class, s.Transport = class, packetTransport{socket.ListenPackets("unixgram", &s.Path, (*socket.Options)(&s.SocketOptions))}
	return s
}

// Listener returns the transport of an open listener, which its server closes. network is any name.
// A class that serves tcp or unix serves it, unless its Networks lists other names. Connections that
// have no descriptor are relayed to workers through a socketpair.
func Listener(network string, l net.Listener) Transport {
	return streamTransport{socket.NewStream(network, &socket.Options{}, func() (net.Listener, error) { return l, nil })}
}

// PacketConn returns the transport of an open packet connection, which its server closes. network is
// any name. A class that serves udp or unixgram serves it, unless its Networks lists other names.
func PacketConn(network string, c net.PacketConn) Transport {
	return packetTransport{socket.NewPackets(network, &socket.Options{}, func() (socket.PacketConn, error) { return socket.NewPacketConn(c) })}
}

// shareable is a transport that may have a socket that other processes can serve.
type shareable interface {
	// Share replaces what Open has opened by what is kept of a socket that workers serve. ok is
	// false where there is no socket.
	Share() (shared *socket.Shared, ok bool, err error)
	Describe() socket.Description
}

// streamTransport accepts connections.
type streamTransport struct{ *socket.Stream }

func (streamTransport) like() []string { return streams }

func (t streamTransport) GetRequest() (*Request, error) {
	c, err := t.Accept()
	if err != nil {
		return nil, err
	}
	r := NewStreamRequest(t.Network(), c)
	r.options = t.TCP()
	return r, nil
}

// packetTransport receives datagrams.
type packetTransport struct{ *socket.Packets }

func (packetTransport) like() []string           { return packets }
func (t packetTransport) servedBy(s *BaseServer) { t.Log, t.MayAnswer = s.log, s.mayAnswer }

func (t packetTransport) GetRequest() (*Request, error) {
	r := &datagramRequest{}
	client, local, err := t.Receive(&r.datagram)
	if err != nil {
		return nil, err
	}
	r.ClientAddress, r.LocalAddress, r.Network, r.packet = client, local, t.Network(), &r.datagram
	return &r.Request, nil
}
