//go:build !linux || 386 || s390x

package socket

import (
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// UDP is a UDP socket of package net.
type UDP struct{ *net.UDPConn }

// NewUDP returns a UDP of c, which it owns.
func NewUDP(c *net.UDPConn) (*UDP, error) { return &UDP{c}, nil }

// Receive implements [PacketConn].
func (u *UDP) Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	n, from, err := u.ReadFromUDPAddrPort(buf)
	return n, d.SetClient(from), nil, err
}

// Reply implements [PacketConn].
func (u *UDP) Reply(d *conn.Datagram, p []byte) error {
	_, err := u.WriteToUDPAddrPort(p, d.From)
	return err
}
