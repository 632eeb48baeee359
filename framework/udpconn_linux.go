//go:build !386 && !s390x

package framework

import (
	"errors"
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/nowait"
)

// udpConn is a socket of UDP whose calls are made past package syscall while they need not wait,
// see package nowait. It is open as long as somebody uses its transport.
type udpConn struct {
	*net.UDPConn
	fd      uintptr
	control []byte // room for what comes with a datagram; nil where that is nothing
}

// newUDPConn owns conn.
func newUDPConn(conn *net.UDPConn) (*udpConn, error) {
	c := &udpConn{UDPConn: conn}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { c.fd = fd })
	}
	if err == nil && conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		c.control = make([]byte, controlSize)
		err = tellAddress(int(c.fd))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *udpConn) receive(r *datagramRequest, buf []byte) (int, error) {
	if c.control != nil {
		return c.receiveAsked(r, buf)
	}
	n, from, err := nowait.ReceiveFrom(c.fd, buf)
	if err != nil { // as a rule, as nothing has come
		n, from, err = c.ReadFromUDPAddrPort(buf)
	} else {
		nowait.Monitor()
	}
	r.from = from
	r.setClient(from)
	return n, err
}

func (c *udpConn) answer(d *datagram, p []byte) error {
	if d.control != nil {
		_, _, err := c.WriteMsgUDPAddrPort(p, d.control, d.from)
		return err
	}
	if nowait.SendTo(c.fd, p, d.from) == nil {
		return nil
	}
	_, err := c.WriteToUDPAddrPort(p, d.from) // waits for room, or says what is wrong
	return err
}
