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
	raw syscall.RawConn

	// What is received; one function for all of it, so that it allocates nothing.
	attempt func(fd uintptr) bool
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
	return c, nil
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

func (c *udpConn) answer(d *datagram, p []byte) error {
	var failed error
	if err := c.raw.Control(func(fd uintptr) { failed = nowait.SendTo(fd, p, d.from) }); err != nil {
		return err
	}
	if failed == nil {
		return nil
	}
	_, err := c.WriteToUDPAddrPort(p, d.from) // waits for room, or says what is wrong
	return err
}
