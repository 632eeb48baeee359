package socket

import (
	"errors"
	"net"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// udp is a UDP socket whose calls bypass package syscall while they do not block, see
// package rawsock. It stays open as long as its transport is in use.
type udp struct {
	*net.UDPConn
	fd       uintptr
	received int64  // time of the last datagram
	control  []byte // buffer of control messages; nil: none are asked for
}

// newUDP returns a udp of c, which it owns.
func newUDP(c *net.UDPConn) (*udp, error) {
	u := &udp{UDPConn: c}
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { u.fd = fd })
	}
	if err == nil && c.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		u.control = make([]byte, controlSize)
		err = setPktinfo(int(u.fd))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return u, nil
}

// Receive implements [PacketConn].
func (u *udp) Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	if u.control != nil {
		return u.receivePktinfo(d, buf)
	}
	n, from, err := rawsock.ReceiveFrom(u.fd, buf)
	if err != nil { // usually there is nothing to receive yet
		n, from, err = u.ReadFromUDPAddrPort(buf)
	} else {
		u.wakeMonitor()
	}
	return n, d.SetClient(from), nil, err
}

// dozing is the idle time after which the runtime's monitor thread may sleep.
const dozing = 20 * time.Microsecond

// wakeMonitor is called for a datagram that was received past the scheduler. While one
// follows the other the thread stays awake, and waking it costs a twentieth of a datagram.
func (u *udp) wakeMonitor() {
	at := conn.Now()
	if at-u.received > int64(dozing) {
		rawsock.WakeMonitor()
	}
	u.received = at
}

// Reply implements [PacketConn].
func (u *udp) Reply(d *conn.Datagram, p []byte) error {
	if d.Control != nil {
		if _, _, err := u.WriteMsgUDPAddrPort(p, d.Control, d.From); err == nil {
			return nil
		}
		// The address that was asked cannot answer, such as a broadcast address: the system chooses one.
	}
	if rawsock.SendTo(u.fd, p, d.From) == nil {
		return nil
	}
	_, err := u.WriteToUDPAddrPort(p, d.From) // waits for room, or returns the error
	return err
}
