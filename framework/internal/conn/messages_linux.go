package conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// messages is a connection of the network unixpacket.
type messages struct{ *net.UnixConn }

// Messages returns a connection of the network unixpacket whose reads fail where there is no room for
// all of a message: the system would drop the rest without a word.
func Messages(c net.Conn) net.Conn {
	if unix, ok := c.(*net.UnixConn); ok {
		return messages{unix}
	}
	return c
}

// hasMessages reports whether reads of c return whole messages, so that others may not read it in steps.
func hasMessages(c net.Conn) bool {
	_, ok := NetConn(c).(messages)
	return ok
}

func (c messages) Read(p []byte) (int, error) {
	n, _, flags, _, err := c.ReadMsgUnix(p, nil)
	switch {
	case errors.Is(err, io.EOF):
		return n, io.EOF
	case err == nil && flags&syscall.MSG_TRUNC != 0:
		return 0, fmt.Errorf("the client has sent a message of more than %d bytes; raise read_buffer", len(p))
	}
	return n, err
}
