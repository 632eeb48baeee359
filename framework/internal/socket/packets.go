package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/internal/ratelog"
)

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
	config := net.ListenConfig{Control: control(func(fd int) error {
		return errors.Join(file.prepare(fd), passCredentials(fd))
	})}
	c, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, errors.Join(err, file.abandon())
	}
	if err := file.bound(c.(syscall.Conn)); err != nil {
		return nil, errors.Join(err, c.Close(), file.Remove())
	}
	return unixgram{c.(*net.UnixConn), file}, nil
}

// Packets is what a transport of datagrams does with its socket. The socket stays open for
// answers until the datagrams that were received are released; Close only ends receiving
// while there are some.
type Packets struct {
	// Log returns the log of what is dropped and of what is not answered.
	Log func() hclog.Logger
	// MayAnswer reports whether a datagram may have an answer that is n bytes longer than it is.
	MayAnswer func(d *conn.Datagram, n int) bool
	network   string
	options   *Options
	listen    func() (PacketConn, error)
	peers     []netip.AddrPort // UDP sockets of the processes that this one works for, see [Local]

	mu       sync.Mutex
	conn     PacketConn
	deadline time.Time // of Receive; zero: none
	closing  atomic.Bool
	// users counts the open socket, a receiver, and the datagrams that may still be answered.
	// The last one closes conn.
	users atomic.Int64
	local []netip.AddrPort // peers and the own address

	buf []byte // one byte longer than the maximum, which shows the datagrams that are too long

	long       ratelog.Limiter
	unanswered sync.Map // of *ratelog.Limiter: by why there is no answer
}

// NewPackets returns Packets of what listen opens.
func NewPackets(network string, o *Options, listen func() (PacketConn, error)) *Packets {
	return &Packets{network: network, options: o, listen: listen}
}

// ListenPackets returns Packets that listen as [ListenPacket] does.
func ListenPackets(network string, address *string, o *Options) *Packets {
	return NewPackets(network, o, func() (PacketConn, error) { return ListenPacket(network, *address, o) })
}

// InheritPackets returns the Packets of a descriptor, which Open closes in any case. peers are
// the UDP sockets of the processes that this one works for.
func InheritPackets(network string, o *Options, file *os.File, peers []netip.AddrPort) *Packets {
	p := NewPackets(network, o, func() (PacketConn, error) { return inheritPackets(file) })
	p.peers = peers
	return p
}

// Network returns the name of the network.
func (p *Packets) Network() string { return p.network }

// MaxPacketSize returns the size in bytes of the largest datagram that is taken.
func (p *Packets) MaxPacketSize() int { return cmp.Or(p.options.MaxPacketSize, defaultMaxPacketSize) }

// defaultMaxPacketSize is socketserver's max_packet_size, in bytes.
const defaultMaxPacketSize = 8192

// Describe describes the socket for another process.
func (p *Packets) Describe() Description {
	o := *p.options
	o.MaxPacketSize = p.MaxPacketSize()
	return Description{Options: o, Packets: true, Local: Local()}
}

// Open opens the socket, which Close closes.
func (p *Packets) Open() error {
	c, err := p.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.buf = c, make([]byte, p.MaxPacketSize()+1)
	p.closing.Store(false) // closed by an attempt to listen that failed
	p.users.Store(1)
	if udp, ok := c.LocalAddr().(*net.UDPAddr); ok {
		p.local = append(slices.Clone(p.peers), udp.AddrPort())
		setLocal(p.local, true)
	}
	return nil
}

func (p *Packets) opened() PacketConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// Addr returns the address, nil before Open.
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
			p.logTooLong(client)
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
	if in, _ := d.Bytes(); p.isServer(d.Client) || !p.MayAnswer(d, len(answer)-int(in)) {
		return conn.ErrNotAnswered
	}
	if !p.acquire() {
		return net.ErrClosed
	}
	defer p.Release()
	err := p.opened().Reply(d, answer)
	if why := (*unanswered)(nil); errors.As(err, &why) {
		p.logUnanswered(d.Client, why.why, "next", why.next)
	}
	return err
}

// unanswered is why a datagram is not answered that could be, and what to do about it.
type unanswered struct{ why, next string }

func (u *unanswered) Error() string { return u.why }
func (*unanswered) Unwrap() error   { return conn.ErrNotAnswered }

// errRelativeName is for a client whose name leads elsewhere from the directory of this process.
var errRelativeName = &unanswered{"its client's name is a relative path", "bind the client to an absolute path or to an abstract name"}

// logUnanswered logs one line a second of each reason.
func (p *Packets) logUnanswered(client net.Addr, why string, more ...any) {
	limiter, _ := p.unanswered.LoadOrStore(why, new(ratelog.Limiter))
	if n, ok := limiter.(*ratelog.Limiter).Allow(1); ok {
		p.Log().Warn("datagram not answered: "+why, ratelog.More(n, append([]any{"client", conn.AddressText(client)}, more...)...)...)
	}
}

func (p *Packets) logTooLong(client net.Addr) {
	if more, ok := p.long.Allow(1); ok {
		p.Log().Warn("datagram dropped: it is longer than max_packet_size", ratelog.More(more,
			"client", conn.AddressText(client), "max_packet_size", len(p.buf)-1, "next", "raise max_packet_size")...)
	}
}

// isServer reports whether a is no client: a socket of this process, or a port that belongs to
// a service of another machine. It is not answered, as two servers would answer each other for
// ever.
func (p *Packets) isServer(a net.Addr) bool {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return false
	}
	why := ""
	switch from := udp.AddrPort(); {
	case IsLocal(from):
		why = "it comes from a socket of this server"
	case from.Port() == 0 || from.Port() < 1024 && !from.Addr().Unmap().IsLoopback():
		why = "its port is below 1024, and no client's"
	default:
		return false
	}
	p.logUnanswered(a, why)
	return true
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
