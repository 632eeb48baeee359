package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// defaultMaxPacketSize is socketserver's max_packet_size, in bytes.
const defaultMaxPacketSize = 8192

// UDPServer serves datagrams of UDP. The fields are set before it listens.
type UDPServer struct {
	BaseServer
	Address string // host:port; port 0 takes a free one

	// MaxPacketSize is the largest datagram that is taken, in bytes; 0 means 8192. A larger
	// one is dropped and counted in the log, where socketserver would cut it short.
	MaxPacketSize int
	ReusePort     bool // sets SO_REUSEPORT
	IPv6Only      bool // keeps a wildcard address from taking IPv4 clients too
}

// NewUDPServer makes a server of address that does not listen yet.
func NewUDPServer(address string, class *HandlerClass) *UDPServer {
	s := &UDPServer{Address: address}
	s.Class = class
	s.Transport = &packetTransport{network: "udp", owner: &s.BaseServer, listen: s.listen, max: &s.MaxPacketSize}
	return s
}

func (s *UDPServer) listen() (packetConn, error) {
	network := "udp"
	if s.IPv6Only {
		network = "udp6"
	}
	config := net.ListenConfig{Control: control(func(fd int) error { return setReuse(fd, false, s.ReusePort) })}
	c, err := config.ListenPacket(context.Background(), network, s.Address)
	if err != nil {
		return nil, err
	}
	return udpConn{c.(*net.UDPConn)}, nil
}

// UnixDatagramServer serves datagrams of a Unix socket. A client that has not bound an
// address of its own can not be answered.
type UnixDatagramServer struct {
	BaseServer
	Path string // of the socket; one that begins with @ is abstract

	MaxPacketSize int    // as in UDPServer
	Mode          uint32 // as in UnixStreamServer
}

// NewUnixDatagramServer makes a server of path that does not listen yet.
func NewUnixDatagramServer(path string, class *HandlerClass) *UnixDatagramServer {
	s := &UnixDatagramServer{Path: path}
	s.Class = class
	s.Transport = &packetTransport{network: "unixgram", owner: &s.BaseServer, listen: s.listen, max: &s.MaxPacketSize}
	return s
}

func (s *UnixDatagramServer) listen() (packetConn, error) {
	socket, err := claimSocket("unixgram", s.Path, s.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: control(socket.prepare)}
	c, err := config.ListenPacket(context.Background(), "unixgram", s.Path)
	if err != nil {
		return nil, errors.Join(err, socket.abandon())
	}
	if err := socket.bound(); err != nil {
		return nil, errors.Join(err, c.Close(), socket.remove())
	}
	return unixgramConn{c.(*net.UnixConn), socket}, nil
}

// packetConn is what udp and unixgram differ in.
type packetConn interface {
	receive(buf []byte) (n int, client net.Addr, answer func([]byte) error, err error)
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	Close() error
}

type udpConn struct{ *net.UDPConn }

func (c udpConn) receive(buf []byte) (int, net.Addr, func([]byte) error, error) {
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		return 0, nil, nil, err
	}
	to := netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) // 127.0.0.1, never ::ffff:127.0.0.1
	return n, net.UDPAddrFromAddrPort(to), func(p []byte) error {
		_, err := c.WriteToUDPAddrPort(p, from)
		return err
	}, nil
}

type unixgramConn struct {
	*net.UnixConn
	socket *unixSocket
}

func (c unixgramConn) receive(buf []byte) (int, net.Addr, func([]byte) error, error) {
	n, from, err := c.ReadFromUnix(buf)
	if err != nil {
		return 0, nil, nil, err
	}
	if from == nil || from.Name == "" {
		unbound := &net.UnixAddr{Net: "unixgram"}
		return n, unbound, func([]byte) error {
			return fmt.Errorf("%w: it has no address to answer to", ErrPeerGone)
		}, nil
	}
	return n, from, func(p []byte) error {
		return answerUnixgram(c.UnixConn, p, from)
	}, nil
}

func (c unixgramConn) Close() error { return errors.Join(c.socket.remove(), c.UnixConn.Close()) }

// packetTransport receives datagrams. It stays open for answers until the requests that
// it returned are over; Close only ends receiving, when some are under way.
type packetTransport struct {
	network string
	owner   *BaseServer // for its log
	listen  func() (packetConn, error)
	max     *int

	mu      sync.Mutex
	conn    packetConn
	closing bool
	pending int // requests that may still answer

	buffers sync.Pool
	long    throttle
}

func (t *packetTransport) Network() string { return t.network }

func (t *packetTransport) Open() error {
	if *t.max == 0 {
		*t.max = defaultMaxPacketSize
	}
	c, err := t.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = c
	return nil
}

func (t *packetTransport) opened() packetConn {
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

// GetRequest receives one datagram into a buffer with room for one byte more than is
// allowed, which shows those that are too long.
func (t *packetTransport) GetRequest() (*Request, error) {
	conn := t.opened()
	for {
		buf, _ := t.buffers.Get().(*[]byte)
		if buf == nil {
			b := make([]byte, *t.max+1)
			buf = &b
		}
		n, client, answer, err := conn.receive(*buf)
		if err != nil {
			t.buffers.Put(buf)
			return nil, t.receiveError(err)
		}
		if n > *t.max {
			t.buffers.Put(buf)
			if more, ok := t.long.allow(); ok {
				t.owner.log().Warn("datagram dropped: it is longer than max_packet_size", "client", client.String(), "max_packet_size", *t.max, "more", more)
			}
			continue
		}
		if !t.begin() {
			t.buffers.Put(buf)
			return nil, net.ErrClosed
		}
		r := NewDatagramRequest(t.network, (*buf)[:n], client, conn.LocalAddr(), answer)
		r.packet.clean = func() { t.buffers.Put(buf); t.end() }
		return r, nil
	}
}

// receiveError tells the deadline that Close sets from one that HandleRequest has set.
func (t *packetTransport) receiveError(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return net.ErrClosed
	}
	return err
}

func (t *packetTransport) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return false
	}
	t.pending++
	return true
}

func (t *packetTransport) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending--; t.closing && t.pending == 0 {
		_ = t.conn.Close()
	}
}

func (t *packetTransport) SetDeadline(at time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		return net.ErrClosed
	}
	return t.conn.SetReadDeadline(at)
}

func (t *packetTransport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing || t.conn == nil {
		return nil
	}
	t.closing = true
	if t.pending == 0 {
		return t.conn.Close()
	}
	return t.conn.SetReadDeadline(time.Unix(1, 0)) // wakes the loop; end closes
}
