// Package socket opens listening and datagram sockets, shares them with other processes and
// cleans up after them.
package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// Options are what a socket is set to. They have the fields of the framework's SocketOptions,
// so that one converts to the other.
type Options struct {
	RequestQueueSize   int
	RefuseReuseAddress bool
	ReusePort          bool
	IPv6Only           bool
	Nagle              bool
	KeepAlive          time.Duration
	MaxPacketSize      int
	Mode               uint32
	SinglePath         bool
}

// TCP returns the options of connections.
func (o *Options) TCP() conn.TCPOptions {
	return conn.TCPOptions{Nagle: o.Nagle, KeepAlive: o.KeepAlive}
}

func listenTCP(_, address string, o *Options) (net.Listener, error) {
	probes := o.TCP().Probes()
	config := net.ListenConfig{KeepAlive: -1, Control: control(func(fd int) error {
		return errors.Join(setReuse(fd, !o.RefuseReuseAddress, o.ReusePort), setProbes(fd, probes))
	})}
	if !probesAreInherited {
		config.KeepAliveConfig = probes
	}
	config.SetMultipathTCP(!o.SinglePath) // where the system has none it is TCP
	l, err := config.Listen(context.Background(), family("tcp", address, o.IPv6Only), address)
	if err != nil {
		return nil, err
	}
	return setBacklog(l, o.RequestQueueSize), nil
}

// listenUnix listens at a path, of the network unix or unixpacket.
func listenUnix(network, path string, o *Options) (net.Listener, error) {
	file, err := claim(network, path, o.Mode)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: control(file.prepare)}
	l, err := config.Listen(context.Background(), network, path)
	if err != nil {
		return nil, errors.Join(err, file.abandon())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := file.bound(l.(syscall.Conn)); err != nil {
		return nil, errors.Join(err, l.Close(), file.Remove())
	}
	return &unixListener{setBacklog(l, o.RequestQueueSize).(*net.UnixListener), file}, nil
}

// control returns a net.ListenConfig's Control of a function of the descriptor.
func control(set func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = set(int(fd)) }); failed != nil {
			return failed
		}
		return err
	}
}

// family returns the network to listen on: package net takes IPv6 clients at 0.0.0.0, too.
func family(network, address string, ipv6Only bool) string {
	if ipv6Only {
		return network + "6"
	}
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return network + "4"
	}
	return network
}

// unixListener is a listener of the network unix or unixpacket, and its file.
type unixListener struct {
	*net.UnixListener
	file *UnixFile
}

// Close removes the file first, so that a client finds no server instead of one that does
// not answer.
func (l *unixListener) Close() error { return errors.Join(l.file.Remove(), l.UnixListener.Close()) }

// inherit makes a listener of a descriptor, which is closed in any case.
func inherit(network string, file *os.File, o conn.TCPOptions) (net.Listener, error) {
	defer file.Close()
	return fileListener(network, file, o)
}

// inherited sets the options of connections, as package net's listener of a descriptor sets
// its own.
type inherited struct {
	*net.TCPListener
	options conn.TCPOptions
}

func (l *inherited) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err == nil {
		l.options.Apply(c)
	}
	return c, err
}

// A Stream is what a transport of connections does with its listener.
type Stream struct {
	network string
	options *Options
	listen  func() (net.Listener, error)

	mu       sync.Mutex
	listener net.Listener
	closed   bool
	parked   *os.File // the listener's, while an Accept waits for the end of a suspension; Close closes it
}

// NewStream returns a Stream of what listen opens.
func NewStream(network string, o *Options, listen func() (net.Listener, error)) *Stream {
	return &Stream{network: network, options: o, listen: listen}
}

// ListenStream returns a Stream that listens as [Listen] does.
func ListenStream(network string, address *string, o *Options) *Stream {
	return NewStream(network, o, func() (net.Listener, error) { return Listen(network, *address, o) })
}

// InheritStream returns the Stream of a descriptor, which Open closes in any case.
func InheritStream(network string, o *Options, file *os.File) *Stream {
	return NewStream(network, o, func() (net.Listener, error) { return inherit(network, file, o.TCP()) })
}

// Network returns the name of the network.
func (s *Stream) Network() string { return s.network }

// TCP returns the options of connections.
func (s *Stream) TCP() conn.TCPOptions { return s.options.TCP() }

// Describe describes the socket for another process.
func (s *Stream) Describe() Description { return Description{Options: *s.options} }

// Open opens the listener, which Close closes.
func (s *Stream) Open() error {
	l, err := s.listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.closed = l, false // closed by an attempt to listen that failed
	return nil
}

func (s *Stream) opened() net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener
}

// Addr returns the address, nil before Open.
func (s *Stream) Addr() net.Addr {
	if l := s.opened(); l != nil {
		return l.Addr()
	}
	return nil
}

// Accept waits for a connection, also while the socket is suspended.
func (s *Stream) Accept() (net.Conn, error) {
	c, err := s.opened().Accept()
	for isSuspended(err) && s.park() {
		c, err = s.opened().Accept()
	}
	if tcp, ok := c.(*net.TCPConn); ok && s.options.Nagle { // the listener has set the rest
		_ = tcp.SetNoDelay(false)
	}
	if err == nil && s.network == "unixpacket" {
		c = conn.Messages(c)
	}
	return c, err
}

// park waits until the listener is resumed, and reports whether it may accept again.
func (s *Stream) park() bool {
	s.mu.Lock()
	l, ok := s.listener.(syscall.Conn)
	if !ok || s.closed {
		s.mu.Unlock()
		return false
	}
	d, err := handoff.Duplicate(l)
	if err != nil {
		s.mu.Unlock()
		return false
	}
	s.parked = d.File()
	f := s.parked
	s.mu.Unlock()
	defer f.Close()
	return awaitListening(f) == nil
}

// SetDeadline bounds Accept.
func (s *Stream) SetDeadline(at time.Time) error {
	l, ok := s.opened().(interface{ SetDeadline(time.Time) error })
	if !ok {
		return fmt.Errorf("a %T has no deadline: %w", s.opened(), os.ErrNoDeadline)
	}
	return l.SetDeadline(at)
}

// Share replaces the listener by what is kept of it while workers serve it. ok is false where it
// has no descriptor.
func (s *Stream) Share() (shared *Shared, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, true, net.ErrClosed
	}
	shared, ok, err = share(s.listener, s.listener.Addr())
	if shared != nil {
		s.listener = shared
	}
	return shared, ok, err
}

// Close closes the listener, once.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.listener == nil {
		return nil
	}
	s.closed = true
	if s.parked != nil {
		_ = s.parked.Close()
	}
	return s.listener.Close()
}
