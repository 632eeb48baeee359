package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/handoff"
	"github.com/go-socketserver/socketserver/internal/vsock"
)

// Shared is what a server keeps of a socket that its workers serve: the address and a
// descriptor for the workers to come. No poller of this process knows the descriptor, so that
// clients do not wake it, and nothing that a worker does to the socket can block Close. It is
// a listener and a PacketConn that never get anything.
type Shared struct {
	*handoff.Descriptor
	address net.Addr
	rest    func() error // closes what is left of the original
}

// A Description is what another process has to know of a socket to serve it.
type Description struct {
	Options Options
	Packets bool             // it has datagrams
	Local   []netip.AddrPort // see [Local]
}

// share returns a Shared in place of a listener or PacketConn, which it owns from then on.
// An original of this package or a TCP listener is closed; any other one is kept open, as
// closing it may remove its file. ok is false where the original has no descriptor.
func share(original io.Closer, address net.Addr) (shared *Shared, ok bool, err error) {
	socket, ok := original.(syscall.Conn)
	if !ok {
		return nil, false, nil
	}
	d, err := handoff.Duplicate(socket)
	if err != nil {
		return nil, true, fmt.Errorf("share socket: %w", err)
	}
	s := &Shared{d, address, func() error { return nil }}
	switch o := original.(type) {
	case *unixListener:
		s.rest, err = o.file.Remove, o.UnixListener.Close()
	case unixgram:
		s.rest, err = o.file.Remove, o.UnixConn.Close()
	case *net.TCPListener, *inherited, *udp, *vsock.Listener:
		err = original.Close()
	default:
		s.rest = original.Close
	}
	return s, true, err
}

// ErrShared is returned for a socket that workers serve.
var ErrShared = errors.New("framework: the socket is served by workers")

// Addr and LocalAddr return the address of the socket.
func (s *Shared) Addr() net.Addr      { return s.address }
func (s *Shared) LocalAddr() net.Addr { return s.address }

// Accept, Receive and Reply are not called: the loop of the server waits for nothing.
func (s *Shared) Accept() (net.Conn, error) { return nil, ErrShared }

func (s *Shared) Receive(*conn.Datagram, []byte) (int, net.Addr, net.Addr, error) {
	return 0, nil, nil, ErrShared
}
func (s *Shared) Reply(*conn.Datagram, []byte) error { return ErrShared }
func (s *Shared) SetReadDeadline(time.Time) error    { return nil }

// Close removes the file first, as that of a unixListener does.
func (s *Shared) Close() error { return errors.Join(s.rest(), s.Descriptor.Close()) }
