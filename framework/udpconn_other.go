//go:build !linux || 386 || s390x

package framework

import "net"

// udpConn is a socket of UDP as package net has it.
type udpConn struct{ *net.UDPConn }

func newUDPConn(conn *net.UDPConn) (*udpConn, error) { return &udpConn{conn}, nil }

func (c *udpConn) receive(r *datagramRequest, buf []byte) (int, error) {
	n, from, err := c.ReadFromUDPAddrPort(buf)
	r.setClient(from)
	return n, err
}

func (c *udpConn) answer(d *datagram, p []byte) error {
	_, err := c.WriteToUDPAddrPort(p, d.from)
	return err
}
