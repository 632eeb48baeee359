package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// ListenPacket opens a socket of the network udp, at host:port, or unixgram, at a path.
func ListenPacket(network, address string, o *Options) (PacketConn, error) {
	if network == "unixgram" {
		return listenUnixgram(address, o)
	}
	return listenUDP(address, o)
}

func listenUDP(address string, o *Options) (PacketConn, error) {
	config := net.ListenConfig{Control: control(func(fd int) error { return setReuse(fd, false, o.ReusePort) })}
	c, err := config.ListenPacket(context.Background(), family("udp", address, o.IPv6Only), address)
	if err != nil {
		return nil, err
	}
	return newUDP(c.(*net.UDPConn))
}

func listenUnixgram(path string, o *Options) (PacketConn, error) {
	file, err := claim("unixgram", path, o.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: control(file.prepare)}
	c, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, errors.Join(err, file.abandon())
	}
	if err := file.bound(); err != nil {
		return nil, errors.Join(err, c.Close(), file.Remove())
	}
	return unixgram{c.(*net.UnixConn), file}, nil
}

// Packets is what a transport of datagrams does with its socket. The socket stays open for
// answers until the datagrams that were received are released; Close only ends receiving
// while there are some.
type Packets struct {
	// TooLong is called for a datagram that is longer than the maximum, and dropped.
	TooLong func(client net.Addr)
	// MayAnswer reports whether an answer of n bytes may be sent.
	MayAnswer func(d *conn.Datagram, n int) bool
	// Peers are the UDP sockets of the processes that this one works for, see [Local].
	Peers []netip.AddrPort

	mu       sync.Mutex
	conn     PacketConn
	deadline time.Time // of Receive; zero: none
	closing  atomic.Bool
	// users counts the open socket, a receiver, and the datagrams that may still be answered.
	// The last one closes conn.
	users atomic.Int64
	local []netip.AddrPort // Peers and the own address

	buf []byte // one byte longer than the maximum, which shows the datagrams that are too long
}

// Use begins to use c for datagrams of at most max bytes. Close closes c.
func (p *Packets) Use(c PacketConn, max int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.buf = c, make([]byte, max+1)
	p.closing.Store(false) // closed by an attempt to listen that failed
	p.users.Store(1)
	if udp, ok := c.LocalAddr().(*net.UDPAddr); ok {
		p.local = append(slices.Clone(p.Peers), udp.AddrPort())
		setLocal(p.local, true)
	}
}

func (p *Packets) opened() PacketConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// Addr returns the address, nil before Use.
func (p *Packets) Addr() net.Addr {
	if c := p.opened(); c != nil {
		return c.LocalAddr()
	}
	return nil
}

// Receive waits for a datagram, fills d in and keeps the socket open until d is released.
func (p *Packets) Receive(d *conn.Datagram) (client, local net.Addr, err error) {
	if p.closing.Load() || !p.acquire() { // else datagrams that follow each other would keep it open
		return nil, nil, net.ErrClosed
	}
	if client, local, err = p.receive(d); err != nil {
		p.Release()
	}
	return client, local, err
}

func (p *Packets) receive(d *conn.Datagram) (client, local net.Addr, err error) {
	c := p.opened()
	for {
		n, client, local, err := c.Receive(d, p.buf)
		if err != nil {
			if p.closing.Load() { // the error is the deadline that Close has set
				return nil, nil, net.ErrClosed
			}
			return nil, nil, err
		}
		if n == len(p.buf) {
			p.TooLong(client)
			if p.late() { // nothing else looks at it while they keep coming
				return nil, nil, os.ErrDeadlineExceeded
			}
			continue
		}
		if local == nil {
			local = c.LocalAddr()
		}
		d.Replier, d.Client = p, client
		d.Hold(p.buf[:n])
		return client, local, nil
	}
}

// Reply implements [conn.Replier]. A worker may answer when its request is over.
func (p *Packets) Reply(d *conn.Datagram, answer []byte) error {
	if !p.MayAnswer(d, len(answer)) {
		return conn.ErrNotAnswered
	}
	if !p.acquire() {
		return net.ErrClosed
	}
	defer p.Release()
	return p.opened().Reply(d, answer)
}

// acquire keeps the socket open until Release.
func (p *Packets) acquire() bool {
	for {
		n := p.users.Load()
		if n == 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release implements [conn.Replier].
func (p *Packets) Release() {
	if p.users.Add(-1) == 0 {
		setLocal(p.local, false)
		_ = p.opened().Close()
	}
}

// SetDeadline bounds Receive.
func (p *Packets) SetDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.Load() {
		return net.ErrClosed
	}
	p.deadline = at
	return p.conn.SetReadDeadline(at)
}

// late reports whether the deadline has passed.
func (p *Packets) late() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.deadline.IsZero() && !time.Now().Before(p.deadline)
}

// Share replaces the socket by what is kept of it while workers serve it, as [Stream.Share]
// does.
func (p *Packets) Share() (shared *Shared, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing.Load() {
		return nil, true, net.ErrClosed
	}
	shared, ok, err = share(p.conn, p.conn.LocalAddr())
	if shared != nil {
		p.conn = shared
	}
	return shared, ok, err
}

// Close ends receiving, and closes the socket when no datagram uses it.
func (p *Packets) Close() error {
	p.mu.Lock()
	c := p.conn
	if p.closing.Swap(true) || c == nil {
		p.mu.Unlock()
		return nil
	}
	err := c.SetReadDeadline(time.Unix(1, 0)) // wakes the receiver
	p.mu.Unlock()
	p.Release()
	return err
}
