package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

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
	config := net.ListenConfig{Control: control(func(fd int) error { return setReuse(fd, false, s.ReusePort) })}
	c, err := config.ListenPacket(context.Background(), family("udp", s.Address, s.IPv6Only), s.Address)
	if err != nil {
		return nil, err
	}
	return newUDPConn(c.(*net.UDPConn))
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
	// receive fills in who sent it, and where to if that is not LocalAddr.
	receive(r *datagramRequest, buf []byte) (n int, err error)
	answer(d *datagram, p []byte) error
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	Close() error
}

// setClient keeps whom a udpConn answers, and makes the client's address in the memory of the
// request. That is 127.0.0.1, never ::ffff:127.0.0.1.
func (r *datagramRequest) setClient(from netip.AddrPort) {
	r.from = from
	ip := from.Addr().Unmap()
	if r.ip = ip.As16(); ip.Is4() {
		v4 := ip.As4()
		copy(r.ip[:], v4[:])
	}
	r.address = net.UDPAddr{IP: r.ip[:ip.BitLen()/8], Port: int(from.Port()), Zone: ip.Zone()}
	r.ClientAddress = &r.address
}

type unixgramConn struct {
	*net.UnixConn
	socket *unixSocket
}

func (c unixgramConn) receive(r *datagramRequest, buf []byte) (int, error) {
	n, from, err := c.ReadFromUnix(buf)
	if from == nil || from.Name == "" { // the client has not bound an address
		r.ClientAddress = &net.UnixAddr{Net: "unixgram"}
		return n, err
	}
	r.ClientAddress, r.unixFrom = from, from
	return n, err
}

func (c unixgramConn) answer(d *datagram, p []byte) error {
	to := d.unixFrom
	if to == nil {
		return fmt.Errorf("%w: it has no address to answer to", ErrPeerGone)
	}
	return answerUnixgram(c.UnixConn, p, to)
}

func (c unixgramConn) Close() error { return errors.Join(c.socket.remove(), c.UnixConn.Close()) }

// packetTransport receives datagrams. It stays open for answers until the requests that
// it returned are over; Close only ends receiving, when some are under way.
type packetTransport struct {
	network string
	owner   *BaseServer // for its log
	listen  func() (packetConn, error)
	max     *int

	mu       sync.Mutex
	conn     packetConn // set by Open
	deadline time.Time  // of GetRequest; zero: none
	closing  atomic.Bool
	// users are the open transport, who receives, and the requests that may still answer. The
	// last one closes conn.
	users atomic.Int64

	buf  []byte // what GetRequest receives into
	long ratelog.Limiter
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
	t.conn, t.buf = c, make([]byte, *t.max+1)
	t.closing.Store(false) // it was closed where listening came to nothing
	t.users.Store(1)
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

// GetRequest receives one datagram. The request that it returns is a user of the transport.
func (t *packetTransport) GetRequest() (*Request, error) {
	if !t.use() {
		return nil, net.ErrClosed
	}
	r, err := t.receive()
	if err != nil {
		t.release()
		return nil, err
	}
	return r, nil
}

// receive receives into a buffer with room for one byte more than is allowed, which shows
// the datagrams that are too long.
func (t *packetTransport) receive() (*Request, error) {
	conn := t.opened()
	for {
		r := &datagramRequest{}
		n, err := conn.receive(r, t.buf)
		if t.closing.Load() { // the error is the deadline that Close has set
			return nil, net.ErrClosed
		}
		if err != nil {
			return nil, err
		}
		if n > *t.max {
			t.tellTooLong(&r.Request)
			if t.late() { // nothing else looks at it while they keep coming
				return nil, os.ErrDeadlineExceeded
			}
			continue
		}
		r.Network, r.packet, r.origin = t.network, &r.datagram, t
		if r.LocalAddress == nil {
			r.LocalAddress = conn.LocalAddr()
		}
		r.hold(t.buf[:n])
		return &r.Request, nil
	}
}

func (t *packetTransport) tellTooLong(r *Request) {
	if more, ok := t.long.Allow(1); ok {
		t.owner.log().Warn("datagram dropped: it is longer than max_packet_size", ratelog.More(more, "client", r.client(), "max_packet_size", *t.max, "next", "raise max_packet_size")...)
	}
}

// answer implements origin. A worker may answer when its request is over.
func (t *packetTransport) answer(d *datagram, p []byte) error {
	if !t.use() {
		return net.ErrClosed
	}
	defer t.release()
	return t.opened().answer(d, p)
}

// use keeps the socket open until release.
func (t *packetTransport) use() bool {
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

// release implements origin.
func (t *packetTransport) release() {
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

// late says whether the deadline has passed.
func (t *packetTransport) late() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.deadline.IsZero() && !time.Now().Before(t.deadline)
}

func (t *packetTransport) Close() error {
	t.mu.Lock()
	conn := t.conn
	if t.closing.Swap(true) || conn == nil {
		t.mu.Unlock()
		return nil
	}
	err := conn.SetReadDeadline(time.Unix(1, 0)) // wakes the loop
	t.mu.Unlock()
	t.release()
	return err
}
