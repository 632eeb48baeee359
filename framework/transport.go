package framework

import (
	"fmt"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/socket"
)

// A Transport is where requests come from. [Listener] and [PacketConn] make one of what
// package net has.
type Transport interface {
	// Network is tcp, udp, unix, unixgram or a name of the transport's own.
	Network() string
	// Open makes the transport ready, so that clients can reach it.
	Open() error
	// Addr is where clients reach it; nil while it is not open.
	Addr() net.Addr
	// GetRequest waits for the next request. It returns an error that wraps
	// [net.ErrClosed] once the transport is closed; after other errors it is called again.
	GetRequest() (*Request, error)
	// SetDeadline bounds GetRequest, which then returns [os.ErrDeadlineExceeded]; the
	// zero time bounds it no longer.
	SetDeadline(t time.Time) error
	// Close makes GetRequest return and frees the address. Requests that it has returned go on.
	Close() error
}

// SocketOptions are what the socket of a transport is set to; each is for the networks named
// beside it. The zero value is the default. The keys of JSON are those of a worker's
// configuration, see plugin/PROTOCOL.md.
type SocketOptions struct {
	// RequestQueueSize is how many connections the system keeps until they are accepted,
	// bounded by net.core.somaxconn; 0 means 128. It is not a limit on clients. (tcp, unix)
	RequestQueueSize int `json:"request_queue_size,omitempty"`
	// RefuseReuseAddress unsets SO_REUSEADDR, so that an address in TIME_WAIT cannot be
	// bound. socketserver's allow_reuse_address is false by default; here it is as if true.
	// (tcp)
	RefuseReuseAddress bool `json:"refuse_reuse_address,omitempty"`
	// ReusePort sets SO_REUSEPORT. (tcp, udp)
	ReusePort bool `json:"reuse_port,omitempty"`
	// IPv6Only keeps a wildcard address from taking IPv4 clients too. (tcp, udp)
	IPv6Only bool `json:"ipv6_only,omitempty"`
	// Nagle leaves Nagle's algorithm on, which socketserver does by default. (tcp)
	Nagle bool `json:"nagle"`
	// KeepAlive is how long a client is silent before it is probed; one that has gone is
	// found out after as long again. 0 means 15 s, less than 0 that nobody is probed. (tcp)
	KeepAlive time.Duration `json:"keep_alive"`
	// MaxPacketSize is the largest datagram that is taken, in bytes; 0 means 8192. A larger
	// one is dropped and counted in the log, where socketserver would cut it short.
	// (udp, unixgram)
	MaxPacketSize int `json:"max_packet_size"`
	// Mode is the permission of the socket's file; 0 means 0600. Whoever may write may
	// connect. (unix, unixgram)
	Mode uint32 `json:"mode,omitempty"`
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
	s.Class = class
	s.Transport = newStreamTransport("tcp", &s.Address, &s.SocketOptions)
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
	s.Class = class
	s.Transport = newStreamTransport("unix", &s.Path, &s.SocketOptions)
	return s
}

// Listener returns the transport of a listener that is open already; its server closes it.
// network is any name. A class that serves tcp or unix serves it, unless its Networks lists
// other names. Connections that have no descriptor are relayed to workers through a socketpair.
func Listener(network string, l net.Listener) Transport {
	return &streamTransport{network: network, options: &SocketOptions{}, listen: func() (net.Listener, error) { return l, nil }}
}

// shareable is a transport that may have a socket that other processes can serve.
type shareable interface {
	// Share replaces what Open has opened by what is kept of a socket that workers serve. ok
	// is false where there is no socket.
	Share() (shared *socket.Shared, ok bool, err error)
	// describe tells workers how to serve the socket.
	describe(o *sharedSocket)
}

// streamTransport accepts connections.
type streamTransport struct {
	socket.Stream
	network string
	options *SocketOptions
	listen  func() (net.Listener, error)
}

func newStreamTransport(network string, address *string, o *SocketOptions) *streamTransport {
	return &streamTransport{network: network, options: o, listen: func() (net.Listener, error) {
		return socket.Listen(network, *address, (*socket.Options)(o))
	}}
}

func (t *streamTransport) Network() string { return t.network }
func (*streamTransport) isPacket() bool    { return false }

func (t *streamTransport) Open() error {
	l, err := t.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	t.Use(l)
	return nil
}

func (t *streamTransport) GetRequest() (*Request, error) {
	c, err := t.Accept()
	if err != nil {
		return nil, err
	}
	r := NewStreamRequest(t.network, c)
	r.options = (*socket.Options)(t.options).TCP()
	if tcp, ok := c.(*net.TCPConn); ok && r.options.Nagle { // the listener has set the rest
		_ = tcp.SetNoDelay(false)
	}
	return r, nil
}

func (t *streamTransport) describe(o *sharedSocket) { o.SocketOptions = *t.options }
