package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// A PacketConn is a datagram socket.
type PacketConn interface {
	// Receive receives one datagram into buf. local is nil where that is LocalAddr.
	Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error)
	// Reply sends the answer to a datagram that it has received.
	Reply(d *conn.Datagram, p []byte) error
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	Close() error
}

// unixgram is a datagram socket of the network unixgram.
type unixgram struct {
	*net.UnixConn
	file *UnixFile // removed by Close; nil: another process does that
}

// Receive implements [PacketConn].
func (c unixgram) Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	n, d.To, err = receiveUnixgram(c.UnixConn, buf)
	shown := &net.UnixAddr{Net: "unixgram"}
	if d.To != nil { // else the client has not bound an address
		shown.Name = d.To.String()
	}
	return n, shown, nil, err
}

// Reply implements [PacketConn].
func (c unixgram) Reply(d *conn.Datagram, p []byte) error {
	if d.To == nil {
		return fmt.Errorf("%w: it has no address to answer to", conn.ErrPeerGone)
	}
	return replyUnixgram(c.UnixConn, p, d.To)
}

// Close removes the file first, so that a client finds no server instead of one that does
// not answer.
func (c unixgram) Close() error {
	return errors.Join(c.file.Remove(), c.UnixConn.Close())
}

// foreignPackets is a PacketConn of any net.PacketConn.
type foreignPackets struct{ net.PacketConn }

// Receive implements [PacketConn].
func (c foreignPackets) Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	n, d.To, err = c.ReadFrom(buf)
	return n, d.To, nil, err
}

// Reply implements [PacketConn].
func (c foreignPackets) Reply(d *conn.Datagram, p []byte) error {
	_, err := c.WriteTo(p, d.To)
	return err
}

// NewPacketConn returns a PacketConn of c, which it owns.
func NewPacketConn(c net.PacketConn) (PacketConn, error) {
	switch c := c.(type) {
	case *net.UDPConn:
		return newUDP(c)
	case *net.UnixConn:
		raw, err := c.SyscallConn()
		if err == nil {
			err = control(passCredentials)("", "", raw)
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return unixgram{c, nil}, nil
	}
	return foreignPackets{c}, nil
}

// inheritPackets makes a PacketConn of a descriptor, which is closed in any case.
func inheritPackets(file *os.File) (PacketConn, error) {
	defer file.Close()
	return filePackets(file)
}

// filePackets returns a PacketConn of a descriptor, which the caller closes.
func filePackets(file *os.File) (PacketConn, error) {
	c, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return NewPacketConn(c)
}
