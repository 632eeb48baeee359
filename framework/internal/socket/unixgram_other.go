//go:build !linux

package socket

import "net"

// passCredentials does nothing here: answers to absolute paths do not depend on the user of the client.
func passCredentials(int) error { return nil }

// receiveUnixgram receives one datagram and the client's address; nil: it has none.
func receiveUnixgram(c *net.UnixConn, buf []byte) (n int, from net.Addr, err error) {
	n, client, err := c.ReadFromUnix(buf)
	if client == nil || client.Name == "" {
		return n, nil, err
	}
	return n, client, err
}
