//go:build !linux

package socket

import (
	"net"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// udp is a UDP socket of package net.
type udp struct{ *net.UDPConn }

// newUDP returns a udp of c, which it owns.
func newUDP(c *net.UDPConn) (*udp, error) { return &udp{c}, nil }

// Receive implements [PacketConn].
func (u *udp) Receive(d *conn.Datagram, buf []byte) (n int, client, local net.Addr, err error) {
	n, from, err := u.ReadFromUDPAddrPort(buf)
	return n, d.SetClient(from), nil, err
}

// Reply implements [PacketConn].
func (u *udp) Reply(d *conn.Datagram, p []byte) error {
	_, err := u.WriteToUDPAddrPort(p, d.From)
	return err
}
