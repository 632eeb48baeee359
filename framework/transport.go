package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// A Transport is where requests come from.
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

// TCPServer serves connections of TCP. The fields are set before it listens.
type TCPServer struct {
	BaseServer
	Address string // host:port; port 0 takes a free one

	// RequestQueueSize is how many connections the system keeps until they are accepted,
	// bounded by net.core.somaxconn; 0 means 128. It is not a limit on clients.
	RequestQueueSize int
	// RefuseReuseAddress unsets SO_REUSEADDR, so that an address in TIME_WAIT can not be
	// bound. socketserver's allow_reuse_address is false by default; here it is as if true.
	RefuseReuseAddress bool
	// ReusePort sets SO_REUSEPORT.
	ReusePort bool
	// Nagle leaves Nagle's algorithm on, which socketserver does by default.
	Nagle bool
	// KeepAlive is how long a client is silent before it is probed; one that has gone is
	// found out after as long again. 0 means 15 s, less than 0 that nobody is probed.
	KeepAlive time.Duration
	// IPv6Only keeps a wildcard address from taking IPv4 clients too.
	IPv6Only bool
}

// NewTCPServer makes a server of address that does not listen yet.
func NewTCPServer(address string, class *HandlerClass) *TCPServer {
	s := &TCPServer{Address: address}
	s.Class = class
	s.Transport = &streamTransport{network: "tcp", listen: s.listen, socket: s.socket}
	return s
}

func (s *TCPServer) socket() socketOptions {
	return socketOptions{nagle: s.Nagle, keepAlive: s.KeepAlive}
}

func (s *TCPServer) listen() (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1, Control: control(func(fd int) error {
		return errors.Join(setReuse(fd, !s.RefuseReuseAddress, s.ReusePort), setProbes(fd, s.socket().probes()))
	})}
	if !probesAreInherited {
		config.KeepAliveConfig = s.socket().probes()
	}
	l, err := config.Listen(context.Background(), family("tcp", s.Address, s.IPv6Only), s.Address)
	if err != nil {
		return nil, err
	}
	return setQueue(l, s.RequestQueueSize), nil
}

// family is the network to listen on: Go would take IPv6 clients at 0.0.0.0 too.
func family(network, address string, ipv6Only bool) string {
	if ipv6Only {
		return network + "6"
	}
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return network + "4"
	}
	return network
}

// socketOptions are those of a TCP connection that may differ from Go's own, which are
// the zero value. A worker sets them again, as making a connection of a descriptor sets
// Go's own.
type socketOptions struct {
	nagle     bool
	keepAlive time.Duration
}

func (o socketOptions) apply(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if o.nagle {
		_ = tcp.SetNoDelay(false)
	}
	_ = tcp.SetKeepAliveConfig(o.probes())
}

// probes are three, where Go sends nine.
func (o socketOptions) probes() net.KeepAliveConfig {
	if o.keepAlive < 0 {
		return net.KeepAliveConfig{}
	}
	idle := o.keepAlive
	if idle == 0 {
		idle = 15 * time.Second
	}
	return net.KeepAliveConfig{Enable: true, Idle: idle, Interval: max(idle/3, time.Second), Count: 3}
}

// UnixStreamServer serves connections of a Unix socket.
type UnixStreamServer struct {
	BaseServer
	Path string // of the socket; one that begins with @ is abstract

	RequestQueueSize int // as in TCPServer
	// Mode is the permission of the socket, 0600 if 0. Whoever may write may connect.
	Mode uint32
}

// NewUnixStreamServer makes a server of path that does not listen yet.
func NewUnixStreamServer(path string, class *HandlerClass) *UnixStreamServer {
	s := &UnixStreamServer{Path: path}
	s.Class = class
	s.Transport = &streamTransport{network: "unix", listen: s.listen}
	return s
}

func (s *UnixStreamServer) listen() (net.Listener, error) {
	socket, err := claimSocket("unix", s.Path, s.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: control(socket.prepare)}
	l, err := config.Listen(context.Background(), "unix", s.Path)
	if err != nil {
		return nil, errors.Join(err, socket.abandon())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := socket.bound(); err != nil {
		return nil, errors.Join(err, l.Close(), socket.remove())
	}
	return &unixListener{setQueue(l, s.RequestQueueSize).(*net.UnixListener), socket}, nil
}

type unixListener struct {
	*net.UnixListener
	socket *unixSocket
}

// Close removes the socket first: a client then finds no server instead of one that
// does not answer.
func (l *unixListener) Close() error {
	return errors.Join(l.socket.remove(), l.UnixListener.Close())
}

// streamTransport accepts connections.
type streamTransport struct {
	network string
	listen  func() (net.Listener, error)
	socket  func() socketOptions // nil: there are none

	mu       sync.Mutex
	listener net.Listener
	closed   bool
}

func (t *streamTransport) Network() string { return t.network }

func (t *streamTransport) Open() error {
	l, err := t.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listener, t.closed = l, false // closed where listening came to nothing before
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
	conn, err := t.opened().Accept()
	if err != nil {
		return nil, err
	}
	r := NewStreamRequest(t.network, conn)
	if t.socket != nil {
		r.socket = t.socket()
	}
	if tcp, ok := conn.(*net.TCPConn); ok && r.socket.nagle { // the listener has set the rest
		_ = tcp.SetNoDelay(false)
	}
	return r, nil
}

func (t *streamTransport) SetDeadline(at time.Time) error {
	return t.opened().(interface{ SetDeadline(time.Time) error }).SetDeadline(at)
}

func (t *streamTransport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.listener == nil {
		return nil
	}
	t.closed = true
	return t.listener.Close()
}

// control is a net.ListenConfig's Control from a function of the descriptor.
func control(set func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = set(int(fd)) }); failed != nil {
			return failed
		}
		return err
	}
}
