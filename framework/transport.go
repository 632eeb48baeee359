package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
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

func (o *SocketOptions) tcp() conn.TCPOptions {
	return conn.TCPOptions{Nagle: o.Nagle, KeepAlive: o.KeepAlive}
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
	s.Transport = &streamTransport{network: "tcp", options: &s.SocketOptions, listen: func() (net.Listener, error) {
		return listenTCP(s.Address, &s.SocketOptions)
	}}
	return s
}

func listenTCP(address string, o *SocketOptions) (net.Listener, error) {
	probes := o.tcp().Probes()
	config := net.ListenConfig{KeepAlive: -1, Control: socket.Control(func(fd int) error {
		return errors.Join(socket.SetReuse(fd, !o.RefuseReuseAddress, o.ReusePort), socket.SetProbes(fd, probes))
	})}
	if !socket.ProbesAreInherited {
		config.KeepAliveConfig = probes
	}
	l, err := config.Listen(context.Background(), socket.Family("tcp", address, o.IPv6Only), address)
	if err != nil {
		return nil, err
	}
	return socket.SetBacklog(l, o.RequestQueueSize), nil
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
	s.Transport = &streamTransport{network: "unix", options: &s.SocketOptions, listen: func() (net.Listener, error) {
		return listenUnix(s.Path, &s.SocketOptions)
	}}
	return s
}

func listenUnix(path string, o *SocketOptions) (net.Listener, error) {
	file, err := socket.Claim("unix", path, o.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: socket.Control(file.Prepare)}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, errors.Join(err, file.Abandon())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := file.Bound(); err != nil {
		return nil, errors.Join(err, l.Close(), file.Remove())
	}
	return &socket.UnixListener{UnixListener: socket.SetBacklog(l, o.RequestQueueSize).(*net.UnixListener), File: file}, nil
}

// NewServer makes a server of a network of this package: tcp, udp, unix or unixgram. address
// is a path for the last two. It does not listen yet.
func NewServer(network, address string, o SocketOptions, class *HandlerClass) (*BaseServer, error) {
	switch network {
	case "tcp":
		s := NewTCPServer(address, class)
		s.SocketOptions = o
		return &s.BaseServer, nil
	case "udp":
		s := NewUDPServer(address, class)
		s.SocketOptions = o
		return &s.BaseServer, nil
	case "unix":
		s := NewUnixStreamServer(address, class)
		s.SocketOptions = o
		return &s.BaseServer, nil
	case "unixgram":
		s := NewUnixDatagramServer(address, class)
		s.SocketOptions = o
		return &s.BaseServer, nil
	}
	return nil, fmt.Errorf("framework: there is no network %q; use tcp, udp, unix or unixgram, or set Transport", network)
}

// Listener returns the transport of a listener that is open already; its server closes it.
// network is any name. A class that serves tcp or unix serves it, unless its Networks lists
// other names. Connections that have no descriptor are relayed to workers through a socketpair.
func Listener(network string, l net.Listener) Transport {
	return &streamTransport{network: network, options: &SocketOptions{}, listen: func() (net.Listener, error) { return l, nil }}
}

// shareable is a transport that may have a socket that other processes can serve.
type shareable interface {
	// share replaces what Open has opened by what is kept of a socket that workers serve. ok
	// is false where there is no socket.
	share() (shared *socket.Shared, ok bool, err error)
	// describe tells workers how to serve the socket.
	describe(o *sharedSocket)
}

// streamTransport accepts connections.
type streamTransport struct {
	network string
	options *SocketOptions
	listen  func() (net.Listener, error)

	mu       sync.Mutex
	listener net.Listener
	closed   bool
}

func (t *streamTransport) Network() string { return t.network }
func (*streamTransport) isPacket() bool    { return false }

func (t *streamTransport) Open() error {
	l, err := t.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listener, t.closed = l, false // closed by an attempt to listen that failed
	return nil
}

func (t *streamTransport) opened() net.Listener {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.listener
}

func (t *streamTransport) Addr() net.Addr {
	if l := t.opened(); l != nil {
		return l.Addr()
	}
	return nil
}

func (t *streamTransport) GetRequest() (*Request, error) {
	c, err := t.opened().Accept()
	if err != nil {
		return nil, err
	}
	r := NewStreamRequest(t.network, c)
	r.options = t.options.tcp()
	if tcp, ok := c.(*net.TCPConn); ok && r.options.Nagle { // the listener has set the rest
		_ = tcp.SetNoDelay(false)
	}
	return r, nil
}

func (t *streamTransport) SetDeadline(at time.Time) error {
	l, ok := t.opened().(interface{ SetDeadline(time.Time) error })
	if !ok {
		return fmt.Errorf("a %T has no deadline: %w", t.opened(), os.ErrNoDeadline)
	}
	return l.SetDeadline(at)
}

func (t *streamTransport) share() (*socket.Shared, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, true, ErrServerClosed
	}
	shared, ok, err := socket.Share(t.listener, t.listener.Addr())
	if shared != nil {
		t.listener = shared
	}
	return shared, ok, err
}

func (t *streamTransport) describe(o *sharedSocket) { o.SocketOptions = *t.options }

func (t *streamTransport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.listener == nil {
		return nil
	}
	t.closed = true
	return t.listener.Close()
}
