package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

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
	s.Transport = &packetTransport{network: "udp", owner: &s.BaseServer, options: &s.SocketOptions, listen: func() (socket.PacketConn, error) {
		return listenUDP(s.Address, &s.SocketOptions)
	}}
	return s
}

func listenUDP(address string, o *SocketOptions) (socket.PacketConn, error) {
	config := net.ListenConfig{Control: socket.Control(func(fd int) error { return socket.SetReuse(fd, false, o.ReusePort) })}
	c, err := config.ListenPacket(context.Background(), socket.Family("udp", address, o.IPv6Only), address)
	if err != nil {
		return nil, err
	}
	return socket.NewUDP(c.(*net.UDPConn))
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
	s.Transport = &packetTransport{network: "unixgram", owner: &s.BaseServer, options: &s.SocketOptions, listen: func() (socket.PacketConn, error) {
		return listenUnixgram(s.Path, &s.SocketOptions)
	}}
	return s
}

func listenUnixgram(path string, o *SocketOptions) (socket.PacketConn, error) {
	file, err := socket.Claim("unixgram", path, o.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: socket.Control(file.Prepare)}
	c, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, errors.Join(err, file.Abandon())
	}
	if err := file.Bound(); err != nil {
		return nil, errors.Join(err, c.Close(), file.Remove())
	}
	return socket.Unixgram{UnixConn: c.(*net.UnixConn), File: file}, nil
}

// PacketConn returns the transport of a packet connection that is open already; its server
// closes it. network is any name. A class that serves udp or unixgram serves it, unless its
// Networks lists other names.
func PacketConn(network string, c net.PacketConn) Transport {
	return &packetTransport{network: network, options: &SocketOptions{}, listen: func() (socket.PacketConn, error) {
		return socket.NewPacketConn(c)
	}}
}

// packetTransport receives datagrams. It stays open for answers until the requests that it
// returned are over; Close only ends receiving while some are under way.
type packetTransport struct {
	network string
	owner   *BaseServer // for its log; nil: not known yet
	options *SocketOptions
	listen  func() (socket.PacketConn, error)

	mu       sync.Mutex
	conn     socket.PacketConn // set by Open
	deadline time.Time         // of GetRequest; zero: none
	closing  atomic.Bool
	// users counts the open transport, a receiver, and the requests that may still answer.
	// The last one closes conn.
	users atomic.Int64

	buf  []byte // what GetRequest receives into
	long ratelog.Limiter
}

func (t *packetTransport) Network() string { return t.network }
func (*packetTransport) isPacket() bool    { return true }

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
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn, t.buf = c, make([]byte, t.maxPacketSize()+1)
	t.closing.Store(false) // closed by an attempt to listen that failed
	t.users.Store(1)
	return nil
}

func (t *packetTransport) opened() socket.PacketConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn
}

func (t *packetTransport) Addr() net.Addr {
	if c := t.opened(); c != nil {
		return c.LocalAddr()
	}
	return nil
}

// GetRequest receives one datagram. The request that it returns uses the transport.
func (t *packetTransport) GetRequest() (*Request, error) {
	if !t.acquire() {
		return nil, net.ErrClosed
	}
	r, err := t.receive()
	if err != nil {
		t.Release()
		return nil, err
	}
	return r, nil
}

// receive uses a buffer with room for one byte more than is allowed, which shows the
// datagrams that are too long.
func (t *packetTransport) receive() (*Request, error) {
	c := t.opened()
	for {
		r := &datagramRequest{}
		n, client, local, err := c.Receive(&r.datagram, t.buf)
		if err != nil {
			if t.closing.Load() { // the error is the deadline that Close has set
				return nil, net.ErrClosed
			}
			return nil, err
		}
		r.ClientAddress = client
		if n > t.maxPacketSize() {
			t.logTooLong(&r.Request)
			if t.late() { // nothing else looks at it while they keep coming
				return nil, os.ErrDeadlineExceeded
			}
			continue
		}
		r.Network, r.packet, r.datagram.Replier = t.network, &r.datagram, t
		if r.LocalAddress = local; local == nil {
			r.LocalAddress = c.LocalAddr()
		}
		r.datagram.Hold(t.buf[:n])
		return &r.Request, nil
	}
}

func (t *packetTransport) logTooLong(r *Request) {
	if more, ok := t.long.Allow(1); ok && t.owner != nil {
		t.owner.log().Warn("datagram dropped: it is longer than max_packet_size", ratelog.More(more, "client", r.client(), "max_packet_size", t.maxPacketSize(), "next", "raise max_packet_size")...)
	}
}

// Reply implements [conn.Replier]. A worker may answer when its request is over.
func (t *packetTransport) Reply(d *conn.Datagram, p []byte) error {
	if !t.acquire() {
		return net.ErrClosed
	}
	defer t.Release()
	return t.opened().Reply(d, p)
}

// acquire keeps the socket open until Release.
func (t *packetTransport) acquire() bool {
	for {
		n := t.users.Load()
		if n == 0 {
			return false
		}
		if t.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release implements [conn.Replier].
func (t *packetTransport) Release() {
	if t.users.Add(-1) == 0 {
		_ = t.opened().Close()
	}
}

func (t *packetTransport) SetDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Load() {
		return net.ErrClosed
	}
	t.deadline = at
	return t.conn.SetReadDeadline(at)
}

// late reports whether the deadline has passed.
func (t *packetTransport) late() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.deadline.IsZero() && !time.Now().Before(t.deadline)
}

func (t *packetTransport) share() (*socket.Shared, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Load() {
		return nil, true, ErrServerClosed
	}
	shared, ok, err := socket.Share(t.conn, t.conn.LocalAddr())
	if shared != nil {
		t.conn = shared
	}
	return shared, ok, err
}

func (t *packetTransport) describe(o *sharedSocket) {
	o.SocketOptions, o.Packets = *t.options, true
	o.MaxPacketSize = t.maxPacketSize()
}

func (t *packetTransport) Close() error {
	t.mu.Lock()
	c := t.conn
	if t.closing.Swap(true) || c == nil {
		t.mu.Unlock()
		return nil
	}
	err := c.SetReadDeadline(time.Unix(1, 0)) // wakes the loop
	t.mu.Unlock()
	t.Release()
	return err
}
