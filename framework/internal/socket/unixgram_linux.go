package socket

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-socketserver/socketserver/framework/internal/rawsock"
)

// unixName is the address of a client as the system has it. Package net ends an abstract name at
// its first NUL, and takes a path that begins with @ for an abstract name: the answer would go to
// another socket.
type unixName string

func (unixName) Network() string { return "unixgram" }

// String returns the name as package net writes it, quoted where that cannot be printed.
func (n unixName) String() string {
	name := string(n)
	if abstract, ok := strings.CutPrefix(name, "\x00"); ok {
		name = "@" + abstract
	} else {
		name, _, _ = strings.Cut(name, "\x00") // the end of a path
	}
	if quoted := strconv.Quote(name); len(quoted) != len(name)+2 || strings.HasPrefix(string(n), "@") {
		return quoted
	}
	return name
}

// receiveUnixgram receives one datagram and the client's address; nil: it has none.
func receiveUnixgram(c *net.UnixConn, buf []byte) (n int, from net.Addr, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var name string
	failed := raw.Read(func(fd uintptr) bool {
		n, name, err = rawsock.ReceiveFromUnix(fd, buf)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if failed != nil {
		return 0, nil, failed
	}
	if err != nil {
		return 0, nil, os.NewSyscallError("recvfrom", err)
	}
	if name == "" {
		return n, nil, nil
	}
	return n, unixName(name), nil
}

// sendUnixgram sends without blocking.
func sendUnixgram(c *net.UnixConn, p []byte, to net.Addr) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = rawsock.SendToUnix(fd, p, string(to.(unixName))) })
	if failed != nil {
		return failed
	}
	return err
}
