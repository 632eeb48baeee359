// Package socket opens listening and datagram sockets, shares them with other processes and
// cleans up after them.
package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/conn"
)

// Control returns a net.ListenConfig's Control of a function of the descriptor.
func Control(set func(fd int) error) func(string, string, syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if failed := c.Control(func(fd uintptr) { err = set(int(fd)) }); failed != nil {
			return failed
		}
		return err
	}
}

// Family returns the network to listen on: package net takes IPv6 clients at 0.0.0.0, too.
func Family(network, address string, ipv6Only bool) string {
	if ipv6Only {
		return network + "6"
	}
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return network + "4"
	}
	return network
}

// UnixListener is a listener of the network unix and its file.
type UnixListener struct {
	*net.UnixListener
	File *UnixFile
}

// Close removes the file first, so that a client finds no server instead of one that does
// not answer.
func (l *UnixListener) Close() error {
	return errors.Join(l.File.Remove(), l.UnixListener.Close())
}

// Inherit makes a listener of a descriptor, which is closed in any case. Its connections get
// the options.
func Inherit(file *os.File, o conn.TCPOptions) (net.Listener, error) {
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return &inherited{l, o}, nil
}

// inherited sets the options of connections, as package net's listener of a descriptor sets
// its own.
type inherited struct {
	net.Listener
	options conn.TCPOptions
}

func (l *inherited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.options.Apply(c)
	}
	return c, err
}
