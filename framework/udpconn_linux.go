//go:build !386 && !s390x

package framework

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/nowait"
)

// udpConn is a socket of UDP whose calls are made past package syscall, see package nowait. One
// goroutine at a time receives, and any number answer.
type udpConn struct {
	*net.UDPConn
	fd  uintptr         // of answers
	raw syscall.RawConn // of what is received

	attempt func(fd uintptr) bool // one for all datagrams, so that they allocate nothing
	buf     []byte
	waited  bool
	n       int
	from    netip.AddrPort
	err     error
}

func newUDPConn(conn *net.UDPConn) (*udpConn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &udpConn{UDPConn: conn, raw: raw}
	c.attempt = c.receiveNow
	return c, raw.Control(func(fd uintptr) { c.fd = fd })
}

func (c *udpConn) receive(r *datagramRequest, buf []byte) (int, error) {
	c.buf, c.waited = buf, false
	if err := c.raw.Read(c.attempt); err != nil {
		return 0, err
	}
	r.from = c.from
	r.setClient(c.from)
	return c.n, os.NewSyscallError("recvfrom", c.err)
}

// receiveNow says whether there was a datagram, or an error.
func (c *udpConn) receiveNow(fd uintptr) bool {
	if c.waited {
		nowait.Monitor() // for the handler
	}
	c.n, c.from, c.err = nowait.ReceiveFrom(fd, c.buf)
	c.waited = errors.Is(c.err, syscall.EAGAIN)
	return !c.waited
}

// answer uses the descriptor as it is: the request is a user of the transport, which does not
// close it before that is over.
func (c *udpConn) answer(d *datagram, p []byte) error {
	if nowait.SendTo(c.fd, p, d.from) == nil {
		return nil
	}
	_, err := c.WriteToUDPAddrPort(p, d.from) // waits for room, or says what is wrong
	return err
}
