package framework

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/handoff"
)

// sharer is a strategy whose workers get the requests themselves.
type sharer interface {
	// share has the workers serve the socket of s, which has just been opened, until s stops.
	share(s *BaseServer) error
}

func (s *BaseServer) sharer() (sharer, bool) {
	shares, ok := s.strategy.(sharer)
	return shares, ok
}

// sharedSocket is what a worker is told of a socket that it is to serve.
type sharedSocket struct {
	Network       string        `json:"network"`
	ReadBuffer    int           `json:"read_buffer"`  // bytes
	WriteBuffer   int           `json:"write_buffer"` // bytes; 0: the handler's own; less than 0: none
	MaxPacketSize int           `json:"max_packet_size"`
	Nagle         bool          `json:"nagle"`
	KeepAlive     time.Duration `json:"keep_alive"` // 0: 15 s; less than 0: none
}

// lent is what a server keeps of a socket that workers serve: its address, its file, and a
// descriptor for the workers to come. Nobody waits for it here, so that what happens on the
// socket does not wake this process, and nothing that a worker does to it can hang Close.
type lent struct {
	*handoff.Descriptor
	address net.Addr
	file    *unixSocket // nil: it has none
}

// lend makes a lent of an open socket and closes that one, but for its file.
func lend(socket interface {
	syscall.Conn
	io.Closer
}, address net.Addr, file *unixSocket,
) (*lent, error) {
	d, err := handoff.Duplicate(socket)
	if err != nil {
		return nil, fmt.Errorf("share socket: %w", err)
	}
	return &lent{d, address, file}, socket.Close()
}

var errLent = errors.New("framework: the socket is served by workers")

func (l *lent) Addr() net.Addr      { return l.address }
func (l *lent) LocalAddr() net.Addr { return l.address }

// Accept and receive are not called, as the loop of the server waits for nothing.
func (l *lent) Accept() (net.Conn, error)                     { return nil, errLent }
func (l *lent) receive(*datagramRequest, []byte) (int, error) { return 0, errLent }
func (l *lent) answer(*datagram, []byte) error                { return errLent }
func (l *lent) SetReadDeadline(time.Time) error               { return nil }

// Close removes the file first, as [unixListener.Close] does.
func (l *lent) Close() error {
	var err error
	if l.file != nil {
		err = l.file.remove()
	}
	return errors.Join(err, l.Descriptor.Close())
}

// shareable is a transport that other processes can serve.
type shareable interface {
	share() (*lent, error)    // of what Open has opened
	describe(o *sharedSocket) // its own options
}

func (t *streamTransport) share() (*lent, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrServerClosed
	}
	var l *lent
	var err error
	switch opened := t.listener.(type) {
	case *net.TCPListener:
		l, err = lend(opened, opened.Addr(), nil)
	case *unixListener:
		l, err = lend(opened.UnixListener, opened.Addr(), opened.socket)
	}
	if l != nil {
		t.listener = l
	}
	return l, err
}

func (t *streamTransport) describe(o *sharedSocket) {
	if t.socket != nil {
		o.Nagle, o.KeepAlive = t.socket().nagle, t.socket().keepAlive
	}
}

func (t *packetTransport) share() (*lent, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Load() {
		return nil, ErrServerClosed
	}
	var l *lent
	var err error
	switch opened := t.conn.(type) {
	case *udpConn:
		l, err = lend(opened.UDPConn, opened.LocalAddr(), nil)
	case unixgramConn:
		l, err = lend(opened.UnixConn, opened.LocalAddr(), opened.socket)
	}
	if l != nil {
		t.conn = l
	}
	return l, err
}

func (t *packetTransport) describe(o *sharedSocket) { o.MaxPacketSize = *t.max }

// inherit makes the server of a socket that this process, a worker, was given. It owns file.
func inherit(description []byte, file *os.File) (*BaseServer, error) {
	var o sharedSocket
	if err := json.Unmarshal(description, &o); err != nil {
		return nil, errors.Join(fmt.Errorf("read description of socket: %w", err), file.Close())
	}
	s := &BaseServer{ReadBuffer: o.ReadBuffer, WriteBuffer: o.WriteBuffer}
	switch o.Network {
	case "tcp", "unix":
		s.Transport = &streamTransport{network: o.Network, listen: func() (net.Listener, error) {
			defer file.Close()
			l, err := net.FileListener(file)
			return &inheritedListener{l, socketOptions{nagle: o.Nagle, keepAlive: o.KeepAlive}}, err
		}}
	case "udp", "unixgram":
		s.Transport = &packetTransport{network: o.Network, owner: s, max: &o.MaxPacketSize, listen: func() (packetConn, error) {
			defer file.Close()
			return inheritedPackets(file)
		}}
	default:
		return nil, errors.Join(fmt.Errorf("a socket of the unknown network %q", o.Network), file.Close())
	}
	return s, nil
}

// inheritedListener sets the options of connections, as a listener that is made of a
// descriptor sets Go's own.
type inheritedListener struct {
	net.Listener
	options socketOptions
}

func (l *inheritedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.options.apply(conn)
	}
	return conn, err
}

func inheritedPackets(file *os.File) (packetConn, error) {
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	switch conn := conn.(type) {
	case *net.UDPConn:
		return newUDPConn(conn)
	case *net.UnixConn:
		return unixgramConn{conn, &unixSocket{}}, nil // the server removes its file
	}
	return nil, errors.Join(fmt.Errorf("a socket of packets is a %T", conn), conn.Close())
}
