//go:build !386 && !s390x

package framework

import (
	"errors"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/nowait"
)

// udpConn is a socket of UDP whose calls are made past package syscall while they need not wait,
// see package nowait. It is open as long as somebody uses its transport.
type udpConn struct {
	*net.UDPConn
	fd       uintptr
	received int64  // when a datagram was, last
	control  []byte // room for what comes with a datagram; nil where that is nothing
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
		c.wakeMonitor()
	}
	r.setClient(from)
	return n, err
}

// dozing is how long nothing has run, at least, when the monitor thread goes to sleep.
const dozing = 20 * time.Microsecond

// wakeMonitor is called when a datagram has been received past the scheduler. While one follows
// the other the thread is as awake as it was for the first, and waking it costs a twentieth of each.
func (c *udpConn) wakeMonitor() {
	at := now()
	if at-c.received > int64(dozing) {
		nowait.WakeMonitor()
	}
	c.received = at
}

func (c *udpConn) answer(d *datagram, p []byte) error {
	if d.control != nil {
		if _, _, err := c.WriteMsgUDPAddrPort(p, d.control, d.from); err == nil {
			return nil
		}
		// What was asked can not answer, as an address for all of a network. The system chooses.
	}
	if nowait.SendTo(c.fd, p, d.from) == nil {
		return nil
	}
	_, err := c.WriteToUDPAddrPort(p, d.from) // waits for room, or says what is wrong
	return err
}
